import { z } from 'zod';
import { NamespaceName } from './common.ts';

/** Owners that a report names: of a cluster, and of a policy. */
export const MAX_NAMED_RISKS = 20;
/** The ledger's columns of counts are 32 bits wide. */
const Count = z.int().min(0).max(2_147_483_647);

/** Outcomes for the next pod of an owner. The classes are never added up. */
export const RISK_CLASSES = ['Refused', 'Pending'] as const;
export const RiskClass = z
  .enum(RISK_CLASSES)
  .describe(
    'Refused: the locks would refuse it. Pending: it would stay pending, as no node inside satisfies its node selector, node affinity and tolerations; capacity and volumes are not looked at.',
  );
export type RiskClass = z.infer<typeof RiskClass>;

/** An owner whose next pods are at risk. */
export const Risk = z.object({
  risk: RiskClass,
  kind: z.string().max(63).describe('Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicationController or ReplicaSet.'),
  namespace: NamespaceName,
  name: z.string().max(253),
  reason: z.string().max(512).describe('The failing term of the template that makes the next pod.'),
  fix: z.string().max(512).describe('The line that mends it.'),
  confirmation: z
    .enum(['Unconfirmed', 'Confirmed'])
    .describe(
      'Confirmed: by a dry run of a pod from that template, with all webhooks. Unconfirmed: judged by the template alone; a webhook may still mend it.',
    ),
  nodes: z.int().min(1).optional().describe('Of a DaemonSet: nodes outside on which its pods would stay pending.'),
});
export type Risk = z.infer<typeof Risk>;

/** Numbers of owners at risk under a policy. */
export const RiskCounts = z.object({
  refused: Count.describe('Owners whose next pods the locks would refuse.'),
  pending: Count.describe('Owners whose next pods would stay pending; capacity and volumes are not looked at.'),
});
export type RiskCounts = z.infer<typeof RiskCounts>;

/** Owners at risk under a policy. */
export const PolicyRisks = RiskCounts.extend({
  unconfirmed: Count.describe('Those of them that no dry run has confirmed yet.'),
  mended: Count.describe('Owners that are not at risk only because a webhook mends their pods.'),
  named: z
    .array(Risk)
    .max(MAX_NAMED_RISKS)
    .describe('The first ones, by namespace, kind and name; those that would be refused before the others.'),
});
export type PolicyRisks = z.infer<typeof PolicyRisks>;
