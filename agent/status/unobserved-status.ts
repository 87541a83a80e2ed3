import { CONDITIONS, type Condition, type LockStatus, type SovereignPolicyStatus } from '@fso/shared/api';
import { setCondition } from '@fso/shared/kube';

const REASON = 'NotObserved';
/**
 * The same whatever the cause, which the events of the cluster name: a thousand policies show it.
 */
const MESSAGE = 'the agent cannot see the cluster at the moment: what it proved last may not hold any more';

/** Conditions that claim that something holds. */
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
 * The status of a policy while its cluster is not observed: at best Pending; one that has failed or
 * expired stays so.
 */
export const unobservedStatus = (status: SovereignPolicyStatus, now: Date): SovereignPolicyStatus => {
  if (status.phase === 'Failed' || status.phase === 'Expired') return status;
  const time = now.toISOString();
  const claims = (status.conditions ?? []).filter(
    ({ type, status: value }) => CLAIMS.has(type) && (value === 'True' || type === CONDITIONS.ready),
  );
  const { enforcement } = status;
  return {
    ...status,
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
