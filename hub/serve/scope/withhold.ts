import type {
  AlertView,
  ClusterDenials,
  CommitView,
  EventView,
  PolicyReport,
  ProblemView,
  RevisionVerification,
  SourceView,
} from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import type { ClusterRecord } from '../../ledger/index.ts';
import { type ClusterSteps, packSteps, type RolloutRecord, unpackSteps } from '../../rollout/index.ts';

/**
 * Texts that may concern more than one cluster or policy are withheld from callers who see a part
 * of the fleet. They get the surrounding fields, such as ids, times and states. Pure.
 */

/** Placeholder of a withheld text. */
export const WITHHELD = 'Not shown in your scope.';

/**
 * Withholds message and author of a commit. A message can be about anything, and the author is not
 * part of the fleet.
 */
export const withholdCommit = ({ revision, time }: CommitView): CommitView => ({ revision, time, author: 'not shown', subject: WITHHELD });

/** Withholds the signer and the reason of a verification. */
const withholdVerification = ({ state }: RevisionVerification): RevisionVerification => ({ state });

/** Withholds the reason of a problem, which names files of the whole repository. */
const withholdProblem = ({ code }: Pick<ProblemView, 'code'>): ProblemView => ({ ...(code !== undefined && { code }), reason: WITHHELD });

/** Shows the current commit and whether a newer one was refused. Withholds their texts. */
export const withholdSource = (source: SourceView): SourceView => ({
  ...source,
  revision: source.revision && withholdCommit(source.revision),
  ...(source.verification && { verification: withholdVerification(source.verification) }),
  rejected: source.rejected && { commit: withholdCommit(source.rejected.commit), problems: [] },
  error: source.error && { message: WITHHELD, since: source.error.since },
});

type Nack = NonNullable<ClusterRecord['nack']>;

/** Withholds the texts of a refusal, which may name hidden objects. */
export const withholdNack = ({ revision, time, reasons }: Nack): Nack => ({
  revision,
  time,
  reasons: reasons.map(({ code }) => ({ code, message: WITHHELD })),
});

/** Withholds counts of the whole cluster, and owners of hidden policies. */
const withholdDenials = ({ minutes, denials }: ClusterDenials, policies: ClusterRecord['policies']): ClusterDenials => {
  const seen = denials
    .map((denial) => ({ ...denial, policies: denial.policies.filter((policy) => policies.has(policy)) }))
    .filter((denial) => denial.policies.length > 0);
  const named = seen.reduce((sum, { count = 0 }) => sum + count, 0);
  return { minutes, pods: null, recent: null, bindings: null, owners: seen.length, named, denials: seen };
};

type ClusterReport = NonNullable<ClusterRecord['report']>;

/**
 * Withholds hidden parts of a cluster's report.
 *
 * @param policies visible policies of the cluster
 * @param seesAllPolicies whether texts about the whole cluster are visible; else they may name
 * hidden policies
 */
export const withholdClusterReport = (
  report: ClusterReport,
  policies: ClusterRecord['policies'],
  seesAllPolicies: boolean,
): ClusterReport => {
  const { signer: _signer, verificationReason: _reason, held: _held, ...rest } = report;
  if (seesAllPolicies) return rest;
  const { message: _message, ...gatekeeper } = rest.gatekeeper;
  const { violationSamples, riskSamples, denials } = rest;
  return {
    ...rest,
    gatekeeper,
    conditions: rest.conditions.map((condition) => ({ ...condition, message: '' })),
    ...(violationSamples && { violationSamples: violationSamples.filter(({ policy }) => policies.has(policy)) }),
    ...(denials && { denials: withholdDenials(denials, policies) }),
    ...(riskSamples && { riskSamples: riskSamples.filter(({ policy }) => policies.has(policy)) }),
  };
};

/**
 * Withholds the labels of namespaces, which name every policy that governs them. Returns the same
 * object for the same report, in every scope and commit.
 */
export const withholdLabels = weakMemo((whole: PolicyReport): PolicyReport => {
  const { namespaceLabels, ...report } = whole;
  return namespaceLabels === undefined ? whole : report;
});

/**
 * Withholds the message of an event about a commit, which can name any file of the repository. A
 * message about a policy names only that policy.
 */
export const withholdEvent = (event: EventView): EventView =>
  event.revision !== undefined && event.policy === undefined ? { ...event, message: WITHHELD } : event;

/** Alerts about commits. Their details can name any file of the repository, and the signer. */
const OF_COMMITS: ReadonlySet<AlertView['name']> = new Set(['CommitRefused', 'RevisionNotTrusted']);

/**
 * Withholds the notifications of an alert, because receivers and times depend on all alerts of its
 * group.
 */
export const withholdAlert = (alert: AlertView): AlertView => ({
  ...alert,
  details: OF_COMMITS.has(alert.name) ? WITHHELD : alert.details,
  notified: [],
});

/** Functions that decide which parts of a rollout are visible. */
export interface SeenParts {
  readonly seesCluster: (name: string) => boolean;
  /** Whether the policy of this name in Git is visible. */
  readonly seesPolicy: (name: string) => boolean;
}

const PROVEN = 3;

/**
 * Time at which the visible clusters had proven the commit: all of them or, once it counts as
 * enforced everywhere, those that had. If none of them had, the time would only be about hidden
 * clusters.
 */
const enforcedFor = (rollout: RolloutRecord, clusters: readonly ClusterSteps[]): string | null => {
  const times = clusters.map(([, steps]) => steps[PROVEN] ?? null);
  const proven = times.filter((time) => time !== null);
  const counts = proven.length > 0 && (proven.length === times.length || rollout.enforced !== null);
  return counts ? new Date(Date.parse(rollout.noticed) + Math.max(...proven)).toISOString() : rollout.enforced;
};

/**
 * Returns a rollout as a caller with limited access may see it: other clusters, policies and
 * details of the commit are withheld, and `enforced` is recomputed.
 */
export const scopeRollout = (rollout: RolloutRecord, { seesCluster, seesPolicy }: SeenParts): RolloutRecord => {
  const refused = Object.entries(rollout.refused).filter(([name]) => seesCluster(name));
  const { added, changed, removed } = rollout.changes;
  const changes = { added: added.filter(seesPolicy), changed: changed.filter(seesPolicy), removed: removed.filter(seesPolicy) };
  const clusters = [...unpackSteps(rollout.steps)].filter(([name]) => seesCluster(name));
  return {
    ...rollout,
    commit: withholdCommit(rollout.commit),
    verification: rollout.verification && withholdVerification(rollout.verification),
    problems: rollout.problems && [],
    changes,
    counts: { added: changes.added.length, changed: changes.changed.length, removed: changes.removed.length },
    steps: packSteps(clusters),
    refused: Object.fromEntries(refused.map(([name, { at, reasons }]) => [name, { at, reasons: reasons.map(withholdProblem) }])),
    enforced: enforcedFor(rollout, clusters),
  };
};
