import { CONDITIONS, NAMESPACE_MISSING, type SovereignPolicyStatus } from '@fso/shared/api';
import { own } from '@fso/shared/runtime';
import type { PolicyEvent } from '../observe/index.ts';

const conditionOf = (status: SovereignPolicyStatus | undefined, type: string) =>
  status?.conditions?.find((condition) => condition.type === type);

/** Message of a condition that became true or changed its reason, which is an event. */
const entered = (previous: SovereignPolicyStatus | undefined, next: SovereignPolicyStatus, type: string): string | undefined => {
  const after = conditionOf(next, type);
  if (after?.status !== 'True') return undefined;
  const before = conditionOf(previous, type);
  return before?.status === 'True' && before.reason === after.reason ? undefined : after.message;
};

const readyReason = (status: SovereignPolicyStatus | undefined): string | undefined => conditionOf(status, CONDITIONS.ready)?.reason;

/** Severities of the Ready reasons that are events when a policy enters them. */
const SEVERITIES: Readonly<Record<string, PolicyEvent['severity']>> = {
  Enforced: 'info',
  [NAMESPACE_MISSING]: 'warning',
  Invalid: 'warning',
  Expired: 'warning',
  EnforcementFailed: 'alert',
  NoLock: 'alert',
};

const readyEvents = (previous: SovereignPolicyStatus | undefined, next: SovereignPolicyStatus): PolicyEvent[] => {
  const reason = readyReason(next) ?? '';
  const severity = own(SEVERITIES, reason);
  const changed = reason !== readyReason(previous) || previous?.observedGeneration !== next.observedGeneration;
  return changed && severity !== undefined ? [{ severity, reason, message: next.message ?? '' }] : [];
};

/**
 * Whether the cluster already shows an event's information and nothing bad preceded it. A
 * Kubernetes Event would then be a write without news.
 *
 * @param shown status in the cluster
 */
export const isShown = (
  shown: SovereignPolicyStatus | undefined,
  previous: SovereignPolicyStatus | undefined,
  { severity, reason }: PolicyEvent,
): boolean => severity === 'info' && readyReason(shown) === reason && (own(SEVERITIES, readyReason(previous) ?? '') ?? 'info') === 'info';

/** Plans the events of a policy whose status changed. */
export const planPolicyEvents = (previous: SovereignPolicyStatus | undefined, next: SovereignPolicyStatus): PolicyEvent[] => {
  const conflict = entered(previous, next, CONDITIONS.conflict);
  const ambiguous = entered(previous, next, CONDITIONS.regionAmbiguous);
  const ending = entered(previous, next, CONDITIONS.regionsEnding);
  const expiring = entered(previous, next, CONDITIONS.expiring);
  return [
    ...readyEvents(previous, next),
    ...(conflict === undefined ? [] : [{ severity: 'alert', reason: 'Conflict', message: conflict } as const]),
    ...(ambiguous === undefined ? [] : [{ severity: 'warning', reason: 'RegionAmbiguous', message: ambiguous } as const]),
    ...(ending === undefined ? [] : [{ severity: 'warning', reason: 'RegionsEnding', message: ending } as const]),
    ...(expiring === undefined ? [] : [{ severity: 'warning', reason: 'ExpiringSoon', message: expiring } as const]),
  ];
};
