import { CONDITIONS, type Condition, type LockStatus, type SovereignPolicyStatus } from '@fso/shared/api';
import { setCondition } from '@fso/shared/kube';
import { type Clock, createBucket } from '@fso/shared/runtime';

const REASON = 'NotObserved';
/**
 * Message for all causes, which the events of the cluster name. It is constant because a thousand
 * policies may show it.
 */
const MESSAGE = 'the agent cannot see the cluster at the moment: what it proved last may not hold any more';

/** Types of conditions that claim that something holds. */
const CLAIMS: ReadonlySet<string> = new Set([
  CONDITIONS.ready,
  CONDITIONS.floorReady,
  CONDITIONS.gatekeeperReady,
  CONDITIONS.placementInjection,
  CONDITIONS.auditAgrees,
]);

/** Whether a status shows that the cluster is not observed. */
export const isUnobserved = (status: SovereignPolicyStatus | undefined): boolean =>
  status?.conditions?.some(({ type, reason }) => type === CONDITIONS.ready && reason === REASON) === true;

const unknownCondition = ({ type, observedGeneration }: Condition): Omit<Condition, 'lastTransitionTime'> => ({
  type,
  status: 'Unknown',
  reason: REASON,
  message: MESSAGE,
  ...(observedGeneration === undefined ? {} : { observedGeneration }),
});

const unknownLock = (lock: LockStatus, since: string): LockStatus =>
  lock.state === 'Enforced' ? { state: 'Pending', since, message: MESSAGE } : lock;

/**
 * Derives the status to show while the cluster is not observed: at best Pending. A policy that has
 * failed or expired stays so.
 */
export const unobservedStatus = (status: SovereignPolicyStatus, now: Date): SovereignPolicyStatus => {
  if (status.phase === 'Failed' || status.phase === 'Expired') return status;
  const time = now.toISOString();
  const claims = (status.conditions ?? []).filter(
    ({ type, status: value }) => CLAIMS.has(type) && (value === 'True' || type === CONDITIONS.ready),
  );
  const { enforcement, risks: _risks, denials: _denials, ...rest } = status;
  return {
    ...rest,
    phase: 'Pending',
    message: MESSAGE,
    lastUpdated: time,
    conditions: claims.map(unknownCondition).reduce<Condition[]>((all, next) => setCondition(all, next, now), status.conditions ?? []),
    ...(enforcement && {
      enforcement: {
        admission: unknownLock(enforcement.admission, time),
        gatekeeper: unknownLock(enforcement.gatekeeper, time),
        binding: unknownLock(enforcement.binding, time),
      },
    }),
  };
};

/** Most statuses per second that change to NotObserved, or back. */
const TURNS = 20;
/** Pause after which a status that had to wait may change, in ms. */
export const TURN_MS = 1_000;
const TURN_AGAIN_MS = 60_000;

/** Limits changes to NotObserved and back, which concern all policies at once. */
export class TurnLimit {
  readonly #clock: Clock;
  readonly #take: () => boolean;
  /** Time of the last change of each status, monotonic ms. */
  readonly #turnedAtMs = new WeakMap<SovereignPolicyStatus, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#take = createBucket(clock, { burst: TURNS, perSecond: TURNS });
  }

  /**
   * Whether a status may change now; if so, the change is counted. The times are kept here because
   * no cache shows the change while the policies cannot be read.
   */
  take(shown: SovereignPolicyStatus): boolean {
    const now = this.#clock.monotonicMs();
    if (now - (this.#turnedAtMs.get(shown) ?? Number.NEGATIVE_INFINITY) < TURN_AGAIN_MS || !this.#take()) return false;
    this.#turnedAtMs.set(shown, now);
    return true;
  }
}
