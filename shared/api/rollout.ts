import { z } from 'zod';
import { ResourceName } from './common.ts';

/** Rollout of the newest commit in waves. */

const Time = z.iso.datetime({ offset: true });
const Count = z.int().min(0);
const Revision = z.string().max(64);

/** States of a cluster in its wave, those that block the wave first. */
export const ROLLOUT_CLUSTER_STATES = ['Refused', 'Late', 'Moving', 'Waiting', 'Unreachable', 'LeftOut', 'Proven'] as const;

/** State of one wave. */
export const RolloutWaveView = z.object({
  name: z.string(),
  state: z
    .enum(['Finished', 'Waiting', 'Moving', 'Soaking', 'Halted'])
    .describe('Finished: it has the newest commit. Waiting: for the waves before it, or for the end of a pause.'),
  revision: Revision.describe('Commit that it has finished last: clusters that join it get this one.'),
  clusters: Count,
  changed: Count.describe(
    'Clusters for which the newest commit changes something; the others have it already. 0 once every wave has finished it.',
  ),
  moved: Count.describe('Of those, the ones that were given the commit.'),
  proven: Count.describe('Of those, the ones that have proven it.'),
  unreachable: z.array(ResourceName).describe('Clusters that are away, or come and go, and that the wave does not wait for; at most 20.'),
  progress: z
    .array(z.object({ cluster: ResourceName, state: z.enum(ROLLOUT_CLUSTER_STATES) }))
    .describe(
      'Clusters for which the commit changes something, those that hold the wave first; at most 100. Waiting: it was not given the commit. Moving: given, and not proven. Late: not proven in time. LeftOut: the gates do not look at it.',
    ),
  gates: z
    .array(
      z.object({
        gate: z.string(),
        limit: Count,
        found: Count.describe('In the clusters that were given the commit and of which it is known.'),
        unknown: Count.describe('Clusters that were given the commit and of which it is not known now.'),
      }),
    )
    .describe('Gates that compare figures; none of a wave that has finished.'),
  soaksUntil: Time.nullable(),
  approval: z
    .object({
      clusters: Count.describe('Clusters that wait for it.'),
      tag: z.string().describe('Name of the signed tag that they wait for.'),
      missing: Count.describe('Number of approvals that are missing; 0: a signer has revoked it.'),
      approvers: z.array(z.string()).describe('Principals whose approval counts.'),
      problems: z.array(z.string()).describe('Why tags that are there do not count.'),
    })
    .nullable()
    .describe('Approval that agents wait for; null: none does, or they do not report it yet.'),
});

const FailedGate = z.object({
  wave: z.string(),
  gate: z.string(),
  clusters: z.array(ResourceName).describe('Clusters that the gate failed for; at most 20.'),
  problem: z.string(),
  since: Time,
  next: z.string().describe('What to do.'),
  approval: z
    .object({
      tag: z.string().describe('Name of the signed tag that approves the wave.'),
      missing: Count.describe('Number of tags that are missing; 0: a signer has revoked it, or the rollout is paused.'),
      approvers: z.array(z.string()).describe('Principals whose tags count.'),
      problems: z.array(z.string()).describe('Why tags that are there do not count.'),
    })
    .nullable()
    .default(null)
    .describe('What alone passes a gate that has looked at no cluster; null: a resume passes the gate.'),
});
export type RolloutWaveView = z.infer<typeof RolloutWaveView>;

/** State of the rollout of the newest commit. */
export const RolloutView = z.object({
  revision: Revision.nullable().describe('The newest commit; null: none was read yet.'),
  state: z
    .enum(['Immediate', 'Finished', 'Progressing', 'Halted', 'Paused', 'NotRead', 'Unreadable'])
    .describe(
      'Immediate: no strategy is in force, and every cluster gets a commit at once. NotRead: this hub has not read the repository yet. Unreadable: another version of the hub has stored the rollout; every cluster keeps what it has.',
    ),
  base: Revision.nullable().describe('Commit that every wave has finished; its strategy orders the waves. null: no strategy is in force.'),
  since: Time.nullable().describe('When the rollout of the newest commit began.'),
  waves: z.array(RolloutWaveView).describe('In order, with a last one for clusters that no wave selects.'),
  halted: FailedGate.nullable(),
  paused: z.object({ since: Time, by: z.string() }).nullable(),
  immediate: z
    .object({
      tag: z.string().describe('Name of the signed tag that it needs for that.'),
      signer: z.string().describe("The commit's signer: name, and fingerprint of the key; empty: not known."),
      taggedBy: z.array(z.string()).describe('Those whose signed tags count.'),
      since: Time.nullable().describe('When every cluster was given it at once; null: it goes by waves until its tags are there.'),
      missing: Count.describe('Number of tags that are missing; 0 also where a signer has revoked it, or the rollout is paused.'),
      approvers: z.array(z.string()).describe('Principals whose tags count; empty once it was given to every cluster.'),
      problems: z.array(z.string()).describe('Why tags that are there do not count.'),
    })
    .nullable()
    .default(null)
    .describe('A newest commit with the trailer `Rollout: immediate`; null: it has none.'),
});
export type RolloutView = z.infer<typeof RolloutView>;

/** Change of a rollout. */
export const RolloutChange = z.strictObject({
  revision: Revision.optional().describe('Commit whose rollout is meant; refused where it is not the newest any more. Absent: whichever.'),
});

/** Request to end a pause, or to pass a failed gate. */
export const RolloutResume = RolloutChange.extend({
  halt: Time.optional().describe(
    'The `since` of the failed gate that is to be passed; refused where another one has failed by now. Absent: only a pause is ended.',
  ),
});
export type RolloutResume = z.infer<typeof RolloutResume>;

/** Response to a resume: the rollout, and the gate that was passed. */
export const ResumedRollout = RolloutView.extend({
  passed: FailedGate.nullable().describe('The gate that was passed; null: a pause was ended.'),
});
