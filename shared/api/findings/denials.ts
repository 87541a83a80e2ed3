import { z } from 'zod';
import { NamespaceName } from '../common.ts';

/** Most owners that the status of a policy names. */
export const MAX_NAMED_DENIALS = 20;
/** Most owners that the report of a cluster names. */
export const MAX_REPORTED_DENIALS = 40;
/** Most policies that are named for one owner. */
export const MAX_DENYING_POLICIES = 5;

const Time = z.iso.datetime({ offset: true });
const Count = z.int().min(0).max(2_147_483_647);
/** Key of a policy, as everywhere in reports. */
const Key = z.string().max(317);

/** Owner whose pods lock 1 refused within the last hour. */
export const Denial = z.object({
  kind: z.string().max(63).describe('Deployment, StatefulSet, Job, CronJob, ReplicationController or ReplicaSet.'),
  namespace: NamespaceName,
  name: z.string().max(253),
  count: Count.optional().describe(
    'Refusals within the hour that events tell, which are lossy; all owners together have at most as many as the API server counted. Absent: that is not known.',
  ),
  since: Time.describe('The first refusal of those.'),
  last: Time,
  reason: z.string().max(512).describe('The failing term of the template that makes the pods.'),
  fix: z.string().max(512).describe('The line that mends it.'),
});
export type Denial = z.infer<typeof Denial>;

/** Owners whose pods were refused because of a policy. */
export const PolicyDenials = z.object({
  owners: Count.describe('Owners whose pods lock 1 refused within the last hour.'),
  count: Count.optional().describe('Their refusals that events tell, five minutes old at most; absent: not known.'),
  named: z.array(Denial).max(MAX_NAMED_DENIALS).describe('The first ones, by namespace, kind and name.'),
});
export type PolicyDenials = z.infer<typeof PolicyDenials>;

/** Denial in the report of a cluster. */
export const ReportedDenial = Denial.extend({
  policies: z.array(Key).min(1).max(MAX_DENYING_POLICIES).describe('The first that refuse its pods.'),
});
export type ReportedDenial = z.infer<typeof ReportedDenial>;

/** Refusals by lock 1 in a cluster within the last hour, without the agent's own dry runs. */
export const ClusterDenials = z.object({
  minutes: z.int().min(0).max(60).describe('Minutes that the counts cover: 60, or since the agent began to count.'),
  pods: Count.nullable().describe('Pods that the API server refused; null: not known.'),
  recent: Count.nullable().describe('Those of the last ten minutes.'),
  bindings: Count.nullable().describe('Bindings of pods to nodes that it refused.'),
  owners: Count.describe('Owners of such pods that are known.'),
  named: Count.describe('Refusals of their pods, at most as many as `pods`.'),
  denials: z
    .array(ReportedDenial)
    .max(MAX_REPORTED_DENIALS)
    .describe('The first owners, of each namespace in turn the one with the most refusals.'),
});
export type ClusterDenials = z.infer<typeof ClusterDenials>;
