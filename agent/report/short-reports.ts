import { CONDITIONS, type Condition, isNamespaceMissing, type PolicyReport, type ReportedLock } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { NO_FLOOR, NO_GATEKEEPER } from '@fso/shared/status';

type Statuses = ReadonlyMap<string, readonly Condition['status'][]>;

/** Status of each condition of a policy about which nothing needs to be said; any other condition is worth a full report. */
const ORDINARY: Statuses = new Map<string, readonly Condition['status'][]>([
  [CONDITIONS.ready, ['True']],
  [CONDITIONS.floorReady, ['True', 'Unknown']],
  [CONDITIONS.gatekeeperReady, ['True', 'Unknown']],
  [CONDITIONS.conflict, ['False']],
  [CONDITIONS.expiring, ['False']],
  [CONDITIONS.placementInjection, ['True']],
  [CONDITIONS.auditAgrees, ['True']],
  [CONDITIONS.tampered, ['False']],
]);

/** Ordinary conditions by phase: of a policy that is in force, that expired at its time, and whose namespace is missing. */
const ORDINARY_IN: Readonly<Partial<Record<PolicyReport['phase'], Statuses>>> = {
  Active: ORDINARY,
  Expired: new Map([...ORDINARY, [CONDITIONS.ready, ['False']], [CONDITIONS.stalled, ['True']]]),
  Pending: new Map([...ORDINARY, [CONDITIONS.ready, ['False']], [CONDITIONS.reconciling, ['True']]]),
};

const isOfHub = ({ managedBy }: PolicyReport): boolean => managedBy === 'hub';

/** The whole cluster lacks what a lock needs: nothing about this policy, and the same in all such clusters. */
const isWithout = (missing: string, { state, message }: ReportedLock): boolean => state === 'Unavailable' && message === missing;

const isOrdinaryLock = ({ state, message }: ReportedLock): boolean =>
  message === undefined && (state === 'Enforced' || state === 'NotApplicable');

/** Whether lock 1 is missing in the whole cluster. Not for local policies: about those the hub does not know what the cluster has. */
const isWithoutFloor = (lock: ReportedLock, report: PolicyReport): boolean => isOfHub(report) && isWithout(NO_FLOOR, lock);

const areOrdinaryLocks = (report: PolicyReport): boolean => {
  const { admission, gatekeeper, binding } = report.enforcement;
  if (report.phase === 'Pending') return [admission, gatekeeper, binding].every(({ state }) => state === 'NotApplicable');
  return (
    [admission, binding].every((lock) => isOrdinaryLock(lock) || isWithoutFloor(lock, report)) &&
    (isOrdinaryLock(gatekeeper) || isWithout(NO_GATEKEEPER, gatekeeper))
  );
};

/** Whether the hub knows a condition of its own policies by itself: when they expire, whether they govern, and what the cluster has. */
const isKnownToHub = ({ type, status, reason }: Condition): boolean =>
  (type === CONDITIONS.expiring && status === 'True') ||
  (type === CONDITIONS.placementInjection && (reason === 'Unavailable' || reason === 'NotGoverning'));

const isOrdinary = (condition: Condition, report: PolicyReport): boolean => {
  const { type, status } = condition;
  const { admission, gatekeeper } = report.enforcement;
  if (type === CONDITIONS.gatekeeperReady && isWithout(NO_GATEKEEPER, gatekeeper)) return true;
  if (type === CONDITIONS.floorReady && isWithoutFloor(admission, report)) return true;
  if (isOfHub(report) && isKnownToHub(condition)) return true;
  return ORDINARY_IN[report.phase]?.get(type)?.includes(status) === true;
};

/**
 * Whether a policy conforms: every lock that its action asks for, and that the cluster can have, is proven, and there is neither a violation
 * nor anything else to explain. One that expired at its time conforms as well, and one of the hub whose namespace is missing.
 */
const isConforming = (report: PolicyReport): boolean => {
  const { phase, violations, conditions } = report;
  const isSettled = phase === 'Pending' ? isOfHub(report) && isNamespaceMissing(report) : phase === 'Active' || phase === 'Expired';
  return isSettled && violations === 0 && areOrdinaryLocks(report) && conditions.every((condition) => isOrdinary(condition, report));
};

const withoutTime = ({ since: _since, ...lock }: ReportedLock): ReportedLock => lock;

const shorten = ({ lastUpdated: _time, namespaceLabels: _labels, ...report }: PolicyReport): PolicyReport => ({
  ...report,
  message: report.phase === 'Pending' ? report.message : '',
  conditions: [],
  enforcement: {
    admission: withoutTime(report.enforcement.admission),
    gatekeeper: withoutTime(report.enforcement.gatekeeper),
    binding: withoutTime(report.enforcement.binding),
  },
});

/** A report as it is sent: short where the policy conforms. The same object for the same report. */
export const toSend: (report: PolicyReport) => PolicyReport = weakMemo((report) => (isConforming(report) ? shorten(report) : report));
