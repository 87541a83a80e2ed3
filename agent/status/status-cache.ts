import { isDeepStrictEqual } from 'node:util';
import type { SovereignPolicy, SovereignPolicyStatus } from '@fso/shared/api';
import { DAY_MS } from '@fso/shared/residency';
import type { PolicyInput, PolicyOutcome } from '../enforce/index.ts';
import type { InjectionFacts } from './injection-facts.ts';
import { type LockFacts, type LockInput, type PolicyLocks, planLocks } from './locks.ts';
import { planStatus, type StatusInput } from './plan-status.ts';
import { unobservedStatus } from './unobserved-status.ts';

interface Memo {
  readonly basis: Basis;
  readonly status: SovereignPolicyStatus;
  /** Time since which the status is unchanged. */
  readonly since: Date;
  /** Time since which the policy is in this phase. */
  readonly phaseSince: Date;
}

/** Inputs of a status. */
interface Basis extends Pick<StatusInput, 'policy' | 'outcome' | 'locks' | 'observed'> {
  /** Distinguishes a policy from an earlier one of the same name. */
  readonly uid: string | undefined;
  readonly daysLeft: string | undefined;
}

/**
 * Wait before a Pending status is written, in ms. Every change makes a policy Pending for a moment,
 * up to a second on a busy API server, often for several reasons in turn. Only a lasting state is
 * worth a write.
 */
const HOLD_MS = 1_000;
/**
 * Additional wait per Pending policy, in ms, so that 1,000 statuses that are about to change are
 * not written.
 */
const HOLD_EACH_MS = 20;
const LONGEST_HOLD_MS = 30_000;
/**
 * Number of waits after which a status that keeps changing is written, so that the cluster does not
 * show an outdated one for ever.
 */
const MOST_HOLDS = 10;

/** Policy whose status is to be planned. */
export interface StatusRequest extends Pick<StatusInput, 'policy' | 'outcome' | 'observed'> {
  readonly live: SovereignPolicy;
  /** Whether the cluster should show that it is not observed. */
  readonly isUnobserved?: boolean;
}

/** Planned status, and whether and when to write it. */
export interface StatusResult {
  readonly status: SovereignPolicyStatus;
  /** Status that the cluster should show: `status`, or its variant for an unobserved cluster. */
  readonly shown: SovereignPolicyStatus;
  readonly previous: SovereignPolicyStatus | undefined;
  readonly locks: PolicyLocks;
  /** Whether the cluster shows another status and the write is due. */
  readonly write: boolean;
  /** Remaining wait of the write, in ms; 0: no wait. */
  readonly heldMs: number;
}

/**
 * Keeps the last status of every policy, which the next one is compared with, and decides when a
 * change is worth a write.
 */
export class StatusCache {
  readonly #memos = new Map<string, Memo>();
  readonly #pending = new Set<string>();
  readonly #unobservedOf = new WeakMap<SovereignPolicyStatus, SovereignPolicyStatus>();
  /** Last comparison of each live status. */
  readonly #compared = new WeakMap<SovereignPolicyStatus, { readonly wanted: SovereignPolicyStatus; readonly isSame: boolean }>();

  plan({ policy, outcome, live, observed, isUnobserved = false }: StatusRequest, locks: LockInput, now: Date): StatusResult {
    const known = this.#memos.get(policy.key);
    const memo = known?.basis.uid === live.metadata.uid ? known : undefined;
    const previous = memo?.status ?? live.status;
    const planned = planLocks(policy, outcome, previous, locks);
    const basis = { uid: live.metadata.uid, policy, outcome, locks: planned, observed, daysLeft: daysLeft(policy, now) };
    const unchanged = memo !== undefined && sameBasis(memo.basis, basis);
    const status = unchanged ? memo.status : planStatus({ policy, outcome, previous, locks: planned, observed, now });
    const current = unchanged ? memo : { basis, status, ...timesOf(memo, outcome, status, now) };
    if (!unchanged) this.#memos.set(policy.key, current);
    const shown = isUnobserved ? this.#unobserved(status, now) : status;
    const differs = !this.#isShown(live.status, shown);
    const heldMs = this.#holdMs(policy.key, differs && shown === status && isProving(current), current, now);
    return { status, shown, previous, locks: planned, write: differs && heldMs === 0, heldMs };
  }

  /** Variant of a status for an unobserved cluster. Memoized by identity. */
  #unobserved(status: SovereignPolicyStatus, now: Date): SovereignPolicyStatus {
    const known = this.#unobservedOf.get(status) ?? unobservedStatus(status, now);
    this.#unobservedOf.set(status, known);
    return known;
  }

  #holdMs(key: string, isToWait: boolean, { since, phaseSince }: Memo, now: Date): number {
    if (!isToWait) {
      this.#pending.delete(key);
      return 0;
    }
    this.#pending.add(key);
    const [sameMs, pendingMs] = [now.getTime() - since.getTime(), now.getTime() - phaseSince.getTime()];
    const holdMs = Math.min(LONGEST_HOLD_MS, HOLD_MS + HOLD_EACH_MS * (this.#pending.size - 1));
    const longestMs = Math.min(LONGEST_HOLD_MS, MOST_HOLDS * holdMs);
    // A clock that was set back does not prolong the wait.
    return Math.max(0, Math.min(holdMs, holdMs - sameMs, longestMs - pendingMs));
  }

  retain(keys: Pick<ReadonlySet<string>, 'has'>): void {
    for (const key of this.#memos.keys()) if (!keys.has(key)) this.#memos.delete(key);
    for (const key of this.#pending) if (!keys.has(key)) this.#pending.delete(key);
  }

  #isShown(live: SovereignPolicyStatus | undefined, wanted: SovereignPolicyStatus): boolean {
    if (live === undefined || live === wanted) return live === wanted;
    const known = this.#compared.get(live);
    if (known?.wanted === wanted) return known.isSame;
    const isSame = isDeepStrictEqual(live, wanted);
    this.#compared.set(live, { wanted, isSame });
    return isSame;
  }
}

/**
 * Whether locks are still being proven. If its namespace does not exist, a policy has only its
 * entry in the index of lock 1 to prove.
 */
const isProving = ({ basis: { outcome, locks }, status }: Memo): boolean =>
  outcome.kind === 'governing' ? status.phase === 'Pending' : locks.admission.state === 'Pending';

const timesOf = (
  memo: Memo | undefined,
  outcome: PolicyOutcome,
  status: SovereignPolicyStatus,
  now: Date,
): Pick<Memo, 'since' | 'phaseSince'> => ({
  since: memo?.status === status ? memo.since : now,
  phaseSince: memo !== undefined && isSamePhase(memo, outcome, status) ? memo.phaseSince : now,
});

/**
 * Whether a policy stays in its phase. When its namespace appears it stays Pending, but for another
 * reason, which counts as a new phase.
 */
const isSamePhase = (memo: Memo, outcome: PolicyOutcome, { phase }: SovereignPolicyStatus): boolean =>
  memo.status.phase === phase && memo.basis.outcome.kind === outcome.kind;

/**
 * Days until a policy, and regions of it, expire, separated by commas; undefined if nothing
 * expires.
 */
export const daysLeft = ({ spec: { expiryDate, regionConflicts = [] } }: PolicyInput, now: Date): string | undefined => {
  const ends = [expiryDate, ...regionConflicts.map(({ from }) => from)].filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : ends.map((end) => Math.ceil((Date.parse(end) - now.getTime()) / DAY_MS)).join();
};

const sameLock = (a: LockFacts, b: LockFacts): boolean => a === b || (a.state === b.state && a.message === b.message);

const sameLocks = (a: PolicyLocks, b: PolicyLocks): boolean =>
  a.constraintCreated === b.constraintCreated &&
  sameLock(a.admission, b.admission) &&
  sameLock(a.gatekeeper, b.gatekeeper) &&
  sameLock(a.binding, b.binding);

const sameInjection = (a: InjectionFacts | undefined, b: InjectionFacts | undefined): boolean =>
  a === b || (a?.reason === b?.reason && a?.message === b?.message);

const sameObservations = (a: StatusInput['observed'], b: StatusInput['observed']): boolean =>
  a.violations === b.violations &&
  a.risks === b.risks &&
  a.denials === b.denials &&
  a.tampering === b.tampering &&
  sameInjection(a.injection, b.injection) &&
  a.audit?.agrees === b.audit?.agrees &&
  a.audit?.message === b.audit?.message;

/** Whether two bases are equal. Unchanged inputs and outcomes are the same objects. */
const sameBasis = (a: Basis, b: Basis): boolean =>
  a.policy === b.policy &&
  a.outcome === b.outcome &&
  a.daysLeft === b.daysLeft &&
  sameObservations(a.observed, b.observed) &&
  sameLocks(a.locks, b.locks);
