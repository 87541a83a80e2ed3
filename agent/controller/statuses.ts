import type { SovereignPolicy, SovereignPolicyStatus } from '@fso/shared/api';
import type { PolicyInput, PolicyOutcome } from '../enforce/types.ts';
import { type LockInput, type PolicyLocks, planLocks } from '../observe/locks.ts';
import { planStatus, sameStatus } from '../observe/plan-status.ts';

interface Memo {
  readonly signature: string;
  readonly status: SovereignPolicyStatus;
  /** Since when it says this. */
  readonly since: Date;
}

/** A policy is Pending for a moment at every change: only one that stays so is worth a write. */
export const PENDING_HOLD_MS = 250;

export interface StatusRequest {
  readonly policy: PolicyInput;
  readonly outcome: PolicyOutcome;
  readonly live: SovereignPolicy;
  readonly violations: number;
}

export interface StatusResult {
  readonly status: SovereignPolicyStatus;
  readonly previous: SovereignPolicyStatus | undefined;
  readonly locks: PolicyLocks;
  /** Whether the cluster shows something else. */
  readonly write: boolean;
  /** The write waits for {@link PENDING_HOLD_MS}. */
  readonly held: boolean;
}

const DAY_MS = 86_400_000;

/** The last status of every policy, so that a round in which nothing changed for a policy costs nothing for it. */
export class StatusBook {
  readonly #memos = new Map<string, Memo>();
  /** Live status objects that were found equal to what they should be. */
  readonly #equal = new WeakMap<SovereignPolicyStatus, SovereignPolicyStatus>();

  plan({ policy, outcome, live, violations }: StatusRequest, locks: LockInput, now: Date): StatusResult {
    const memo = this.#memos.get(policy.key);
    const previous = memo?.status ?? live.status;
    const planned = planLocks(policy, outcome, previous, locks);
    const signature = signatureOf({ policy, outcome, live, violations }, planned, now);
    const status = memo?.signature === signature ? memo.status : planStatus({ policy, outcome, previous, locks: planned, violations, now });
    const since = memo !== undefined && memo.status.phase === status.phase ? memo.since : now;
    if (memo?.signature !== signature) this.#memos.set(policy.key, { signature, status, since });
    const differs = !this.#isShown(live.status, status);
    const held = differs && status.phase === 'Pending' && now.getTime() - since.getTime() < PENDING_HOLD_MS;
    return { status, previous, locks: planned, write: differs && !held, held };
  }

  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#memos.keys()) if (!keys.has(key)) this.#memos.delete(key);
  }

  #isShown(live: SovereignPolicyStatus | undefined, wanted: SovereignPolicyStatus): boolean {
    if (live === undefined) return false;
    if (live === wanted || this.#equal.get(live) === wanted) return true;
    if (!sameStatus(live, wanted)) return false;
    this.#equal.set(live, wanted);
    return true;
  }
}

const signatureOf = ({ policy, outcome, live, violations }: StatusRequest, locks: PolicyLocks, now: Date): string => {
  const expiry = policy.spec.expiryDate;
  const daysLeft = expiry === undefined ? '' : Math.ceil((Date.parse(expiry) - now.getTime()) / DAY_MS);
  return JSON.stringify([live.metadata.uid, policy.generation, policy.revision, outcome, locks, violations, daysLeft]);
};
