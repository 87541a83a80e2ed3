import { z } from 'zod';
import { boundedList } from '../common.ts';
import { PolicyKey } from '../reports.ts';
import { Risk } from '../sovereign-policy.ts';

/** Most owners of each class that an answer names. */
export const MAX_PREVIEWED_OWNERS = 200;
/** Most policies that are named for one owner. */
export const MAX_PREVIEWED_POLICIES = 20;
/** Longest wait of the hub for a preview, in ms. Agents compute it beside enforcement. */
export const PREVIEW_MS = 8_000;

const Count = z.int().min(0).max(2_147_483_647);

/** Owner that a change of policies affects. */
export const PreviewedOwner = Risk.pick({ kind: true, namespace: true, name: true, reason: true, fix: true, nodes: true, lastSeen: true })
  .extend({
    pods: z.int().min(1).optional().describe('Its pods that run outside; only in that class.'),
    eased: z
      .literal(true)
      .optional()
      .describe('Its next pods are refused now, so that nothing that could start is lost; only of those that begin to stay pending.'),
    policies: z.array(PolicyKey).max(MAX_PREVIEWED_POLICIES).describe('The first policies behind it, by key.'),
  })
  .strict();
export type PreviewedOwner = z.infer<typeof PreviewedOwner>;

/** Owners of one class, under the policies in force and under the changed ones. */
export const PreviewedClass = z.strictObject({
  now: Count.describe('Owners with the policies that are enforced.'),
  after: Count.describe('Owners with the changed policies.'),
  begins: Count.describe('Owners of `after` that are not among those of `now`.'),
  ends: Count.describe('Owners of `now` that are not among those of `after`.'),
  owners: boundedList(PreviewedOwner, MAX_PREVIEWED_OWNERS)
    .optional()
    .describe('The first of those that begin, by namespace, kind and name. Absent: the agent tells counts only.'),
});
export type PreviewedClass = z.infer<typeof PreviewedClass>;

/** Owners that stay pending. Those that were refused before are no worse off. */
export const PreviewedPending = PreviewedClass.extend({
  eased: Count.min(1)
    .optional()
    .describe('Owners of `begins` whose next pods are refused now: nothing that could start is lost. Absent: none.'),
});
export type PreviewedPending = z.infer<typeof PreviewedPending>;

/** Reasons why an agent does not preview a change of policies. */
export const PREVIEW_REFUSALS = ['Off', 'Busy', 'TooMany', 'OtherList', 'NotObserved', 'Invalid', 'TooLarge', 'GaveUp'] as const;

const NotAnswered = z.strictObject({
  state: z.literal('NotAnswered'),
  reason: z
    .enum(PREVIEW_REFUSALS)
    .describe(
      'Off: the agent has FSO_PREVIEW=off. Busy: it answers another question. TooMany: it has answered 30 within the hour. OtherList: the question starts from another list of policies than the one in force. NotObserved: what it knows of its cluster is out of date. Invalid: a policy of the question is none. TooLarge: the question asks for more than is looked at. GaveUp: enforcement needed the time.',
    ),
  message: z.string().max(512),
});

const Answered = z.strictObject({
  state: z.literal('Answered'),
  observedAt: z.iso.datetime().describe('Start of the reconcile that the answer rests on, by the clock of the cluster.'),
  lookedAt: z
    .strictObject({ namespaces: Count, owners: Count, pods: Count })
    .describe('The namespaces whose denying rule changes, with the owners and running pods there.'),
  omitted: Count.describe('Owners of those namespaces that were not judged whole: they may be at risk all the same.'),
  outside: PreviewedClass.describe('Owners with pods that run in a region that is not allowed.'),
  refused: PreviewedClass.describe('Owners whose next pods the locks would refuse.'),
  pending: PreviewedPending.describe('Owners whose next pods would stay pending; capacity and volumes are not looked at.'),
});

/** Effects of a change of policies on the workloads of a cluster. Classes must not be added up. */
export const ClusterPreview = z.discriminatedUnion('state', [NotAnswered, Answered]);
export type ClusterPreview = z.infer<typeof ClusterPreview>;
/** Preview by an agent that judged the change. */
export type AnsweredPreview = z.infer<typeof Answered>;
/** Reason why an agent does not judge a change. */
export type PreviewRefusal = (typeof PREVIEW_REFUSALS)[number];
