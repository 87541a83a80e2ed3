import type { PolicyRisks, Risk } from '@fso/shared/api';
import { type Clock, createBucket } from '@fso/shared/runtime';
import type { EventSink } from '../observe/index.ts';
import type { OwnerCache } from './owners/owner-cache.ts';
import { isOwnerKind, ownerDescriptor } from './owners/owner-kinds.ts';

/** Owners that get events, and the receiver of the events. */
export interface OwnerEventsDeps {
  readonly owners: Pick<OwnerCache, 'ownersIn'>;
  readonly events: Pick<EventSink, 'recordOn'>;
  readonly clock: Clock;
}

/**
 * Rate of events. They are a convenience, and a narrowed policy affects hundreds of owners at once.
 */
const LIMIT = { burst: 20, perSecond: 1 / 3 } as const;
const MAX_REMEMBERED = 4_096;

/**
 * Writes a Kubernetes Event on each owner whose next pods a dry run has shown to be at risk, one
 * per change, so that the people in charge see it on their object.
 */
export class OwnerEvents {
  readonly #deps: OwnerEventsDeps;
  readonly #take: () => boolean;
  /** Risks of policies whose events are all written. */
  readonly #written = new WeakSet<PolicyRisks>();
  /** Policy at which the last run had to stop. */
  #stoppedAt: string | undefined;
  /** Message of the last event by owner, most recently changed last. */
  readonly #messages = new Map<string, string>();

  constructor(deps: OwnerEventsDeps) {
    this.#deps = deps;
    this.#take = createBucket(deps.clock, LIMIT);
  }

  /** Writes events for what changed. If there are too many, the rest is written by the next run. */
  look(policies: ReadonlyMap<string, PolicyRisks | 'recent'>): void {
    for (const [policy, risks] of this.#inTurn([...policies])) {
      if (risks === 'recent' || this.#written.has(risks)) continue;
      if (!risks.named.every((risk) => this.#write(risk))) {
        this.#stoppedAt = policy;
        return;
      }
      this.#written.add(risks);
    }
  }

  /**
   * Rotates the policies to start after the one at which the last run stopped, as its risks may
   * change all the time.
   */
  #inTurn<T>(policies: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
    const next = policies.findIndex(([policy]) => policy === this.#stoppedAt) + 1;
    return [...policies.slice(next), ...policies.slice(0, next)];
  }

  /** @returns false if the event has to wait for the next run */
  #write({ kind, namespace, name, risk, reason, fix, confirmation }: Risk): boolean {
    if (confirmation !== 'Confirmed' || !isOwnerKind(kind)) return true;
    const owner = this.#deps.owners.ownersIn(namespace).get(kind)?.get(name);
    const key = `${owner?.metadata.uid}`;
    const message = `${risk === 'Refused' ? 'the next pods would be refused' : 'the next pods would stay pending'}: ${reason}; fix: ${fix}`;
    if (owner === undefined || this.#messages.get(key) === message) return true;
    if (!this.#take()) return false;
    this.#messages.delete(key);
    this.#messages.set(key, message);
    for (const oldest of this.#messages.keys()) if (this.#messages.size > MAX_REMEMBERED) this.#messages.delete(oldest);
    const event = { severity: 'warning', reason: risk === 'Refused' ? 'NextPodsRefused' : 'NextPodsPending', message } as const;
    this.#deps.events.recordOn({ apiVersion: ownerDescriptor(kind).apiVersion, kind, metadata: owner.metadata }, event);
    return true;
  }
}
