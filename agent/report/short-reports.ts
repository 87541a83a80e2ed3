import { CONDITIONS, type Condition, type PolicyReport, type ReportedLock } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { NO_GATEKEEPER } from '../status/index.ts';

type Statuses = readonly Condition['status'][];

/** Status of each condition of a policy about which nothing needs to be said; any other condition is worth a full report. */
const ORDINARY: ReadonlyMap<string, Statuses> = new Map<string, Statuses>([
  [CONDITIONS.ready, ['True']],
  [CONDITIONS.floorReady, ['True', 'Unknown']],
  [CONDITIONS.gatekeeperReady, ['True', 'Unknown']],
  [CONDITIONS.conflict, ['False']],
  [CONDITIONS.expiring, ['False']],
  [CONDITIONS.placementInjection, ['True']],
  [CONDITIONS.auditAgrees, ['True']],
  [CONDITIONS.tampered, ['False']],
]);

/** Of a policy that expired at its time. */
const ORDINARY_EXPIRED: typeof ORDINARY = new Map([...ORDINARY, [CONDITIONS.ready, ['False']], [CONDITIONS.stalled, ['True']]]);

const isOrdinaryLock = ({ state, message }: ReportedLock): boolean =>
  message === undefined && (state === 'Enforced' || state === 'NotApplicable');

/** Gatekeeper is missing from the whole cluster: nothing about this policy, and the same in all such clusters. */
const isWithoutGatekeeper = ({ state, message }: ReportedLock): boolean => state === 'Unavailable' && message === NO_GATEKEEPER;

const isOrdinary = ({ type, status }: Condition, { phase, enforcement }: PolicyReport): boolean => {
  if (type === CONDITIONS.gatekeeperReady && isWithoutGatekeeper(enforcement.gatekeeper)) return true;
  return (phase === 'Active' ? ORDINARY : ORDINARY_EXPIRED).get(type)?.includes(status) === true;
};

/**
 * Whether a policy conforms: every lock that its action asks for, and that the cluster can have, is proven, and there is neither a violation
 * nor anything else to explain. One that expired at its time conforms as well.
 */
const isConforming = (report: PolicyReport): boolean => {
  const { admission, gatekeeper, binding } = report.enforcement;
  return (
    (report.phase === 'Active' || report.phase === 'Expired') &&
    report.violations === 0 &&
    [admission, binding].every(isOrdinaryLock) &&
    (isOrdinaryLock(gatekeeper) || isWithoutGatekeeper(gatekeeper)) &&
    report.conditions.every((condition) => isOrdinary(condition, report))
  );
};

const withoutTime = ({ since: _since, ...lock }: ReportedLock): ReportedLock => lock;

const shorten = ({ lastUpdated: _time, namespaceLabels: _labels, ...report }: PolicyReport): PolicyReport => ({
  ...report,
  message: '',
  conditions: [],
  enforcement: {
    admission: withoutTime(report.enforcement.admission),
    gatekeeper: withoutTime(report.enforcement.gatekeeper),
    binding: withoutTime(report.enforcement.binding),
  },
});

/** A report as it is sent: short where the policy conforms. The same object for the same report. */
export const toSend: (report: PolicyReport) => PolicyReport = weakMemo((report) => (isConforming(report) ? shorten(report) : report));
