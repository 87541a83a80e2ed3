import type { RiskCounts } from '../api/index.ts';

/** Texts of reasons, used while the agent of the cluster has not sent its own. */
const REASONS: ReadonlyMap<string, string> = new Map([
  // Content of a policy in the cluster, compared with the accepted commit.
  ['Absent', 'not in the cluster, and cannot be written yet'],
  ['Differs', 'reads otherwise in the cluster than in the accepted commit'],
  ['NotJudged', 'written, and not judged yet'],
  ['OtherContent', 'governs by another content than the accepted commit has'],
  ['OtherNamespaces', 'governs other namespaces than are expected'],
  // A policy whose required content the hub does not know.
  ['Unlisted', 'the hub does not know the list of policies that this cluster has'],
  // Reasons of the condition Ready.
  ['Enforced', ''],
  ['EnforcementFailed', 'lock 1 does not hold'],
  ['Expired', 'expired'],
  ['Failed', 'the agent cannot enforce it'],
  ['Invalid', 'the cluster cannot enforce it as it is written'],
  ['NamespaceMissing', 'no namespace that it governs exists'],
  ['NoLock', 'neither lock can enforce it in this cluster'],
  ['NotObserved', 'the agent cannot see the cluster at the moment: what it proved last may not hold any more'],
  ['Proving', 'a lock is not proven yet'],
  // Reasons of a lock, or of Ready.
  ['Unanswered', 'another rule answers in place of a lock, which is neither proven nor refuted'],
  ['Degraded', 'a lock does not hold: its write was refused, or its proof failed'],
  ['Pending', 'a lock is not proven yet'],
]);

const CONDITIONS_TEXT = {
  Conflict: 'together with other policies no region is left: nothing may run there',
  RegionAmbiguous: 'regions are left out, as providers of the nodes mean other places by them',
  RegionsEnding: 'regions have ended, or end within 14 days',
  Tampered: 'what enforces it was changed or deleted within the last hour, and restored',
  AuditAgrees: "Gatekeeper's audit counts other violations than the agent",
  PlacementInjection: 'pods do not get the allowed regions when they are created',
};
type ConditionType = keyof typeof CONDITIONS_TEXT;

/** Fields of a deviation that are described. */
interface Described {
  readonly reason: string;
  readonly violations: number;
  readonly risks?: RiskCounts | undefined;
  readonly conditions: readonly ConditionType[];
}

/** Describes a reason. Returns an unknown code, such as that of a newer agent, unchanged. */
export const describeReason = (reason: string): string => REASONS.get(reason) ?? reason;

/** Describes a condition that needs attention. */
export const describeCondition = (type: ConditionType): string => CONDITIONS_TEXT[type];

/** Describes a number of violations: `1 workload is outside of the allowed regions` */
export const describeViolations = (violations: number): string =>
  `${violations === 1 ? '1 workload is' : `${violations} workloads are`} outside of the allowed regions`;

/**
 * Describes numbers of owners at risk: `the next pods of 2 owners would be refused, those of 1
 * would stay pending`
 */
export const describeRisks = ({ refused, pending }: RiskCounts): string =>
  [
    ...(refused > 0 ? [`the next pods of ${countOwners(refused)} would be refused`] : []),
    ...(pending > 0 ? [`the next pods of ${countOwners(pending)} would stay pending`] : []),
  ].join(', ');

const countOwners = (count: number): string => (count === 1 ? '1 owner' : `${count} owners`);

/** Describes a deviation from what is known without its agent. */
export const describeDeviation = ({ reason, violations, risks, conditions }: Described): string =>
  [
    describeReason(reason),
    ...(violations > 0 ? [describeViolations(violations)] : []),
    ...(risks ? [describeRisks(risks)] : []),
    ...conditions.map(describeCondition),
  ]
    .filter((text) => text !== '')
    .join('; ');
