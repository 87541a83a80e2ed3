import { z } from 'zod';
import {
  CONDITIONS,
  isNamespaceMissing,
  LockState,
  NAMESPACE_MISSING,
  Phase,
  type PolicyReport,
  type ReportedLock,
  ResourceName,
  RiskCounts,
} from '../api/index.ts';
import { memoByText, sameItems, weakMemo, weakMemo2 } from '../runtime/index.ts';
import { MAX_LISTED } from './baseline.ts';
import { describeCondition, describeDeviation, describeReason } from './deviation-texts.ts';
import { NO_GATEKEEPER } from './expected.ts';

/** Conditions of a policy that need attention, with the statuses in which they do. */
const REPORTED = {
  [CONDITIONS.conflict]: ['True'],
  [CONDITIONS.regionAmbiguous]: ['True'],
  [CONDITIONS.regionsEnding]: ['True'],
  [CONDITIONS.tampered]: ['True'],
  [CONDITIONS.auditAgrees]: ['False'],
  [CONDITIONS.placementInjection]: ['False'],
} as const;
type ReportedType = keyof typeof REPORTED;
const ReportedType = z.enum(Object.keys(REPORTED) as [ReportedType, ...ReportedType[]]);

const REASON = /^[A-Za-z]{1,32}$/;
const MAX_COUNT = 2_147_483_647;

/**
 * Unexpected state of a policy in a cluster's list: states, a code and counts, at most 360 bytes of
 * JSON. It has no texts and no names, which the agent and the list have. Policies that deviate in
 * the same way therefore share one value in all clusters.
 */
export const Deviation = z.strictObject({
  phase: Phase,
  reason: z
    .string()
    .regex(REASON, 'must be a code of at most 32 letters')
    .describe('Why, as a code; `shared/status/deviation-texts.ts` has a text for each.'),
  locks: z.strictObject({ admission: LockState, gatekeeper: LockState, binding: LockState }),
  violations: z.int().min(0).max(MAX_COUNT),
  risks: RiskCounts.extend({
    untried: RiskCounts.shape.refused.optional().describe('Those that would be refused, and of which no dry run has been made yet.'),
  })
    .strict()
    .optional()
    .describe('Owners whose next pods are at risk; absent: none, or not known.'),
  conditions: z.array(ReportedType).max(ReportedType.options.length).describe('Types of conditions that need attention.'),
});
export type Deviation = Readonly<z.infer<typeof Deviation>>;

/** Policies that deviate in the same way, by name. */
export const DeviationGroup = z.strictObject({ deviation: Deviation, policies: z.array(ResourceName).min(1).max(MAX_LISTED) });
export type DeviationGroup = z.infer<typeof DeviationGroup>;

/**
 * Report of one policy: its deviation if the cluster's list has the policy, else the whole report.
 */
export type NamedPolicy = Deviation | PolicyReport;

/**
 * Whether a policy is sent as a full report rather than as a Deviation. Policies outside the
 * cluster's compiled list are.
 */
export const isWhole = (named: NamedPolicy): named is PolicyReport => 'name' in named;

/** Returns the JSON of a deviation. Memoized for each object. */
export const textOfDeviation: (deviation: Deviation) => string = weakMemo((deviation) => JSON.stringify(deviation));

const sharedByText = memoByText(
  (text: string, _deviation: Deviation) => text,
  (_text, deviation) => deviation,
);

/** Returns one shared object for all equal deviations. */
export const internDeviation = (deviation: Deviation): Deviation => sharedByText(textOfDeviation(deviation), deviation);

/**
 * Groups policies by equal Deviation from the expected state, to keep reports small. Policies with
 * a full report are skipped.
 */
export const groupDeviations = (named: Iterable<readonly [string, NamedPolicy]>): DeviationGroup[] => {
  const groups = new Map<Deviation, string[]>();
  for (const [name, value] of named) {
    if (isWhole(value)) continue;
    const deviation = internDeviation(value);
    const names = groups.get(deviation);
    if (names === undefined) groups.set(deviation, [name]);
    else names.push(name);
  }
  return [...groups].map(([deviation, policies]) => ({ deviation, policies }));
};

/** Yields each policy of the groups with its deviation. */
export function* deviationsIn(groups: readonly DeviationGroup[]): Generator<[string, Deviation]> {
  for (const { deviation, policies } of groups) {
    const shared = internDeviation(deviation);
    for (const name of policies) yield [name, shared];
  }
}

/** Reason of a report without a condition Ready. */
const usualReason = (report: PolicyReport): string => {
  if (isNamespaceMissing(report)) return NAMESPACE_MISSING;
  return report.phase === 'Active' ? 'Enforced' : report.phase;
};

/**
 * Reasons of missing injection that need no attention: they follow from the cluster, or from the
 * phase of the policy.
 */
const NOT_INJECTED = ['Unavailable', 'NotGoverning'];

/** Types of the conditions of a report that need attention. */
const reportedConditions = ({ conditions }: PolicyReport): ReportedType[] =>
  ReportedType.options.filter((type) =>
    conditions.some(
      (condition) =>
        condition.type === type &&
        REPORTED[type].some((status) => status === condition.status) &&
        !(type === CONDITIONS.placementInjection && NOT_INJECTED.includes(condition.reason)),
    ),
  );

/**
 * Returns the number of owners whose next pods would be refused, without those that no dry run has
 * tried yet.
 */
export const countTried = ({ refused, untried = 0 }: NonNullable<Deviation['risks'] | PolicyReport['risks']>): number => refused - untried;

/** Counts of owners at risk; empty if there are none. */
const risksIn = ({ risks }: PolicyReport): Pick<Deviation, 'risks'> => {
  if (risks === undefined || risks.refused + risks.pending === 0) return {};
  const { refused, pending, untried } = risks;
  return { risks: { refused, pending, ...(untried !== undefined && { untried }) } };
};

const isHeld = ({ state }: ReportedLock): boolean => state !== 'Degraded' && state !== 'Pending';

/** Reason of the first lock that an active policy lacks, else the reason of its condition Ready. */
const reasonOf = (report: PolicyReport): string => {
  const { phase, conditions, enforcement } = report;
  const { admission, gatekeeper, binding } = enforcement;
  const reasonOfType = (wanted: string) => conditions.find(({ type }) => type === wanted)?.reason;
  if (phase === 'Active') {
    if (!isHeld(admission)) return reasonOfType(CONDITIONS.floorReady) ?? admission.state;
    if (!isHeld(gatekeeper)) return reasonOfType(CONDITIONS.gatekeeperReady) ?? gatekeeper.state;
    if (!isHeld(binding)) return binding.state;
  }
  return reasonOfType(CONDITIONS.ready) ?? usualReason(report);
};

const readStanding = (report: PolicyReport): Deviation => {
  const { phase, violations, enforcement } = report;
  const { admission, gatekeeper, binding } = enforcement;
  const reason = reasonOf(report);
  const standing: Deviation = {
    phase,
    reason: REASON.test(reason) ? reason : 'Other',
    locks: { admission: admission.state, gatekeeper: gatekeeper.state, binding: binding.state },
    violations,
    ...risksIn(report),
    conditions: reportedConditions(report),
  };
  // The text is not kept for this object, as an equal one usually exists already.
  return sharedByText(JSON.stringify(standing), standing);
};

/**
 * Reduces a policy report to its phase, reason, lock states, counts and conditions. Returns a
 * Deviation even if the policy is as expected; equal ones are the same object.
 */
export const standingOf: (report: PolicyReport) => Deviation = weakMemo(readStanding);

const isProvenLock = ({ state }: ReportedLock): boolean => state === 'Enforced' || state === 'NotApplicable';

/**
 * Whether the lock is missing because the cluster has no Gatekeeper. That is no problem of a single
 * policy.
 */
const lacksGatekeeper = ({ state, message }: ReportedLock): boolean => state === 'Unavailable' && message === NO_GATEKEEPER;

/** Whether a policy is settled and proven by its own report, without violations or conditions. */
export const isUneventful = (report: PolicyReport): boolean => {
  const { phase, violations, conditions } = standingOf(report);
  const { admission, gatekeeper, binding } = report.enforcement;
  const isSettled = phase === 'Active' || phase === 'Expired';
  const isProven = isProvenLock(admission) && isProvenLock(binding) && (isProvenLock(gatekeeper) || lacksGatekeeper(gatekeeper));
  return isSettled && isProven && violations === 0 && conditions.length === 0;
};

/**
 * Reasons of policies whose content in the cluster differs from the accepted one, is not judged
 * yet, or is unknown.
 */
const UNJUDGED = ['Absent', 'NotJudged', 'Differs', 'OtherContent', 'Unlisted'] as const;

/**
 * Whether the policy in a cluster is not known to be what its list requires. Its agent's report
 * then does not count.
 */
export const isUnjudged = ({ conditions }: PolicyReport): boolean =>
  conditions.some(({ type, reason }) => type === CONDITIONS.ready && UNJUDGED.some((each) => each === reason));

/** Conditions of a deviation that raise alerts. */
export const alarmsIn = ({ conditions }: Deviation): Deviation['conditions'] =>
  conditions.filter((type) => type === CONDITIONS.conflict || type === CONDITIONS.tampered);

/**
 * Returns the best state that a policy can have while it is not known to have the accepted content:
 * none of its locks counts as proven.
 *
 * @param reason reason why that is not known
 */
export const unjudged = (standing: Deviation | undefined, reason: (typeof UNJUDGED)[number]): Deviation => {
  const unproven = (state: LockState = 'Pending'): LockState => (state === 'Enforced' ? 'Pending' : state);
  if (standing?.phase === 'Failed') return standing;
  return internDeviation({
    phase: 'Pending',
    reason,
    locks: {
      admission: unproven(standing?.locks.admission),
      gatekeeper: unproven(standing?.locks.gatekeeper),
      binding: unproven(standing?.locks.binding),
    },
    violations: standing?.violations ?? 0,
    ...(standing?.risks && { risks: standing.risks }),
    conditions: standing === undefined ? [] : alarmsIn(standing),
  });
};

const isSameContent = (a: PolicyReport, b: PolicyReport): boolean =>
  a.targetNamespace === b.targetNamespace &&
  a.enforcementAction === b.enforcementAction &&
  a.expiryDate === b.expiryDate &&
  sameItems(a.effectiveRegions, b.effectiveRegions);

/**
 * Compares the report of a policy with the expected one. The revision is ignored: the hub knows
 * better which commit introduced the content of the policy.
 *
 * @returns undefined if the policy is as expected
 */
export const deviationFrom = (expected: PolicyReport, seen: PolicyReport): Deviation | undefined => {
  const standing = standingOf(seen);
  if (!isSameContent(expected, seen)) return unjudged(standing, 'OtherContent');
  // Not memoized: the expected report is made for this comparison.
  if (standing !== readStanding(expected)) return standing;
  return sameItems(expected.namespaces, seen.namespaces) ? undefined : internDeviation({ ...standing, reason: 'OtherNamespaces' });
};

/** Reasons of policies that govern no namespace. */
const NOT_GOVERNING = new Set([NAMESPACE_MISSING, 'Absent', 'Expired', 'Invalid']);

/** Risks with counts and without names. */
const namelessRisks = (counts: NonNullable<Deviation['risks']>): NonNullable<PolicyReport['risks']> => ({
  ...counts,
  unconfirmed: 0,
  mended: 0,
  named: [],
});

const readyStatus = ({ phase }: Deviation) => (phase === 'Active' ? 'True' : 'False');

/**
 * Builds the report of a deviating policy from what is known without its agent. Memoized by
 * the identity of both arguments.
 *
 * @param expected report that the policy would have if it governed its namespaces
 */
export const deviatingReport: (expected: PolicyReport, deviation: Deviation) => PolicyReport = weakMemo2((expected, deviation) => {
  const { phase, reason, locks, violations, risks, conditions } = deviation;
  const { risks: _none, ...withoutRisks } = deviation;
  // Only the next pods are at risk; everything else is as expected.
  if (internDeviation(withoutRisks) === standingOf(expected)) return { ...expected, ...(risks && { risks: namelessRisks(risks) }) };
  const lockOf = (lock: keyof Deviation['locks']): ReportedLock =>
    expected.enforcement[lock].state === locks[lock] ? expected.enforcement[lock] : { state: locks[lock] };
  return {
    ...expected,
    namespaces: NOT_GOVERNING.has(reason) ? [] : expected.namespaces,
    phase,
    message: describeDeviation(deviation),
    enforcement: { admission: lockOf('admission'), gatekeeper: lockOf('gatekeeper'), binding: lockOf('binding') },
    violations,
    ...(risks && { risks: namelessRisks(risks) }),
    conditions: [
      { type: CONDITIONS.ready, status: readyStatus(deviation), reason, message: describeReason(reason) },
      ...conditions.map((type) => ({ type, status: REPORTED[type][0], reason: type, message: describeCondition(type) })),
    ],
  };
});
