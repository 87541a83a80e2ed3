import { z } from 'zod';
import { AlertCounts } from './alerts/views.ts';
import { ResourceName } from './common.ts';
import { PolicyKey, RevisionVerification } from './reports.ts';
import { Phase } from './sovereign-policy.ts';
import { ClusterView, CommitView, EventView, ProblemView, pageOf, SourceView, StatusView } from './views.ts';

/** Path of one commit through steps ① to ⑨, as the hub saw it. Times are by the hub's clock. */

const Time = z.iso.datetime({ offset: true });
const Count = z.int().min(0);

/** Times at which the hub finished each of its own steps; null: not yet, or not recorded. */
export const HubSteps = z.object({
  noticed: Time.nullable().describe('The webhook or the poll that found the commit started the fetch.'),
  fetched: Time.nullable().describe('① The hub had its objects.'),
  judged: Time.nullable().describe('① The hub had checked its signature, its descent and every document.'),
  compiled: Time.nullable().describe('② The hub had computed the policies of each cluster.'),
  released: Time.nullable().describe('③ The hub had decided which clusters may have it.'),
});
export type HubSteps = z.infer<typeof HubSteps>;

/** Times at which one cluster reached each step; null: not yet. */
export const ClusterSteps = z.object({
  cluster: ResourceName,
  offered: Time.nullable().describe('④ Sent to the agent.'),
  accepted: Time.nullable().describe('⑤ The agent verified and accepted it.'),
  written: Time.nullable().describe('⑥ The agent wrote its objects to the cluster.'),
  proven: Time.nullable().describe('⑦ ⑧ Both locks proved every policy, and the report reached the hub.'),
  refused: z
    .object({ time: Time, reasons: z.array(ProblemView) })
    .nullable()
    .describe("The agent's nack."),
});
export type ClusterSteps = z.infer<typeof ClusterSteps>;

/** Names of the policies that a commit changes. */
export const PolicyChanges = z.object({
  added: z.array(z.string()),
  changed: z.array(z.string()),
  removed: z.array(z.string()),
});
export type PolicyChanges = z.infer<typeof PolicyChanges>;

/** States of a commit at the hub and in all clusters together. */
export const COMMIT_STATES = ['rejected', 'inProgress', 'enforced', 'refused', 'superseded'] as const;

/** Entry of the list of commits. */
export const CommitSummary = z.object({
  commit: CommitView,
  state: z
    .enum(COMMIT_STATES)
    .describe(
      'rejected: the hub refused it. inProgress: some clusters do not enforce it yet. enforced: proven in every connected cluster, and in at least one. refused: an agent refused it. superseded: a newer commit arrived before this one was enforced everywhere.',
    ),
  verification: RevisionVerification.nullable(),
  policies: z.object({ added: Count, changed: Count, removed: Count }),
  clusters: z.object({ total: Count, offered: Count, accepted: Count, proven: Count, refused: Count }),
  noticed: Time,
  enforced: Time.nullable().describe('When the last connected cluster proved it.'),
  enforcementMs: z.int().nullable().describe('From `noticed` to `enforced`.'),
});
export type CommitSummary = z.infer<typeof CommitSummary>;
/** Page of commits, newest first. */
export const CommitPage = pageOf(CommitSummary);

/** Commit with its steps at the hub and in each cluster. */
export const CommitActivity = CommitSummary.extend({
  hub: HubSteps,
  problems: z.array(ProblemView).describe('Why the hub refused it.'),
  changes: PolicyChanges.describe('Names in Git, at most 500 in each list.'),
  clusterSteps: z.array(ClusterSteps),
  plan: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Id of the stored plan that predicted it: the newest one that it fulfils, while it is in force, or the one that it names. null: the caller sees none, or the hub is older.',
    ),
});
export type CommitActivity = z.infer<typeof CommitActivity>;

/** Counts of the fleet at one time; null: unknown until the next point. */
export const TrendPoint = z.object({
  time: Time,
  violations: Count.nullable(),
  failed: Count.nullable().describe('Policies.'),
  connected: Count.nullable().describe('Clusters.'),
});
export type TrendPoint = z.infer<typeof TrendPoint>;
/** Counts of the fleet over time. */
export const Trend = z.object({
  items: z.array(TrendPoint).describe('Oldest first; the last one is now. A value holds until the next point; null: no data until then.'),
});
export type Trend = z.infer<typeof Trend>;

/** Stream event that names policies which may have changed. Clients re-read those they display. */
export const PolicyChange = z.object({
  cluster: z.string().nullable().describe('Where the change was reported; null: the desired state in Git changed.'),
  policies: z.array(PolicyKey).max(500).nullable().describe('Keys; null: too many to name, read the list again.'),
});
export type PolicyChange = z.infer<typeof PolicyChange>;

/** Events of GET /api/v1/stream; `event` is the SSE event type, `data` its JSON. */
export const StreamEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('status'), data: StatusView }),
  z.object({ event: z.literal('source'), data: SourceView }),
  z.object({ event: z.literal('cluster'), data: ClusterView }),
  z.object({ event: z.literal('policy'), data: PolicyChange }),
  z.object({ event: z.literal('event'), data: EventView }),
  z.object({ event: z.literal('commit'), data: CommitSummary }),
  /** Alerts or silences changed. A client reads those that it shows again. */
  z.object({ event: z.literal('alerts'), data: AlertCounts }),
  /** The stream cannot resume where the client left off, so everything has to be read again. */
  z.object({ event: z.literal('reset'), data: z.object({}) }),
]);
export type StreamEvent = z.infer<typeof StreamEvent>;

/**
 * Statement of a cluster about a policy: by the policy's name, or by a list of policies if it was
 * as expected.
 */
export const PolicyState = z.object({
  phase: Phase,
  conforms: z
    .boolean()
    .describe(
      'There was nothing to explain: every lock that the cluster can have was proven, or the policy had expired at its time. Not of one whose namespace was missing.',
    ),
  violates: z.boolean().describe('There were violations.'),
  revision: z.string().nullable().describe('Commit since which the policy read as it did then; null: it was not from Git.'),
});
export type PolicyState = z.infer<typeof PolicyState>;

const since = <S extends z.ZodType>(value: S) => z.object({ value, since: Time }).nullable();

/** State of a policy in a cluster at a time. */
export const PolicyStateView = z.object({
  cluster: ResourceName,
  policy: PolicyKey,
  at: Time,
  proven: z
    .enum(['yes', 'no', 'unknown'])
    .describe(
      'yes: the cluster was connected and observed, and its agent had proven every lock of the policy that the cluster can have. no: it had said otherwise. unknown: the cluster was not connected or not observed, or the hub knew nothing of it.',
    ),
  reason: z.string().describe('Why, in a sentence.'),
  state: since(PolicyState.nullable()).describe(
    'What its cluster had said of it by then; `value` null: the cluster did not have it. `since`: it had been so since then, or longer. null: not known.',
  ),
  connected: since(z.boolean()).describe('null: not known.'),
  observed: since(z.boolean()).describe('Whether the agent knew how its cluster was. null: not known.'),
  accepted: since(z.string().nullable()).describe('Commit that the cluster had accepted. null: not known.'),
  provenRevision: since(z.string().nullable()).describe('Commit of which every policy was proven. null: not known.'),
});
export type PolicyStateView = z.infer<typeof PolicyStateView>;

/** Change of a cluster, or of a policy in it. */
export const ClusterHistoryItem = z.object({
  time: Time,
  kind: z
    .enum(['connected', 'disconnected', 'observed', 'notObserved', 'accepted', 'proven', 'policy', 'gone', 'unknown', 'forgotten'])
    .describe(
      'connected: its agent had said how the cluster was. notObserved: its agent, still connected, no longer knew. observed: it knew again. accepted: a commit. proven: every policy of a commit. policy: its state. gone: the cluster did not have the policy. unknown: the hub did not know how the policy was, as the agent had no list of policies, or one that the hub did not know. forgotten: from here on the hub knew nothing but what follows, as the cluster was forgotten or the history has a gap.',
    ),
  revision: z.string().nullable().describe('Of accepted and proven; null: none any more.'),
  state: PolicyState.nullable().describe('Of a policy.'),
});
export type ClusterHistoryItem = z.infer<typeof ClusterHistoryItem>;

/** Page of the history of one policy in one cluster, as known to the hub. */
export const ClusterHistoryPage = z.object({
  items: z.array(ClusterHistoryItem),
  next: z.string().nullable().describe('Cursor of the next page; null: this is the last one.'),
});
export type ClusterHistoryPage = z.infer<typeof ClusterHistoryPage>;
