import { z } from 'zod';
import { gitDocument, LabelSelector, ProviderId, Region, RegionReference } from '../common.ts';
import { Placement } from '../sovereign-policy.ts';

/** Registration of a cluster. */
export const ManagedClusterSpec = z.strictObject({
  regions: z.array(Region).min(1).max(100).describe('Regions in which the cluster has nodes.'),
  provider: ProviderId.optional().describe(
    'Provider of the nodes that do not name one. Regions are read as this provider names them; needs regions/catalog.yaml.',
  ),
  description: z.string().max(1024).optional(),
});
/** Registers a workload cluster. Placements select by its labels. */
export const ManagedClusterDocument = gitDocument('ManagedCluster', ManagedClusterSpec);
export type ManagedClusterDocument = z.infer<typeof ManagedClusterDocument>;

/** Regions that `group:<name>` stands for. */
export const RegionGroupSpec = z.strictObject({
  regions: z.array(RegionReference).min(1).max(1000),
  exclude: z.array(RegionReference).max(1000).optional().describe('References that are taken out of the regions.'),
  description: z.string().max(1024).optional(),
});
/**
 * Named list of regions and of other groups, referenced as `group:<name>`. It overrides a group of
 * the catalogue with the same name.
 */
export const RegionGroupDocument = gitDocument('RegionGroup', RegionGroupSpec);
export type RegionGroupDocument = z.infer<typeof RegionGroupDocument>;

/** Clusters to which the policies of a folder may apply. */
export const PolicyScopeSpec = z.strictObject({
  placement: Placement.describe(
    'Clusters that the policies of this folder and of those below it may be for. Each of these policies is for the clusters that its own placement selects too.',
  ),
  description: z.string().max(1024).optional(),
});
/**
 * Limits a folder of policies to some clusters: agents of other clusters get nothing below it. It
 * is the only document of a `scope.yaml`.
 */
export const PolicyScopeDocument = gitDocument('PolicyScope', PolicyScopeSpec);
export type PolicyScopeDocument = z.infer<typeof PolicyScopeDocument>;

const Duration = z
  .string()
  .max(16)
  .regex(/^\d{1,6}(s|m|h)$/, 'must be a number and a unit: 30s, 10m, 2h');

/** Gate on a number that is summed over the clusters of a wave. */
const gate = (what: string) => z.int().min(0).optional().describe(`Gate: ${what} that the wave may have; absent: any number.`);

/**
 * Names of waves that can be the last part of a Git ref on any file system
 * (git-check-ref-format(1)).
 */
export const WAVE_IN_TAG: RegExp = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Clusters that get a commit together, and the conditions for the next wave. */
export const RolloutWave = z.strictObject({
  name: z.string().min(1).max(63),
  clusterSelector: LabelSelector,
  maxConcurrency: z.int().min(1).optional().describe('Clusters of the wave that may be on their way at a time; absent: all.'),
  soak: Duration.optional().describe('How long the wave must hold before the next one starts.'),
  maxNewViolations: gate('new violations'),
  maxNewlyRefused: gate('owners newly refused at their next start'),
  maxNewlyPending: gate('owners whose next pods would newly stay Pending'),
  proofWithin: Duration.optional().describe('Gate: how long a cluster may take to prove the commit; default 10m.'),
  approval: z
    .enum(['Required'])
    .optional()
    .describe('Required: agents of the wave take a commit only with an approval; absent: without one.'),
});
export type RolloutWave = z.infer<typeof RolloutWave>;

/** Principal of an allowed signers file, or fingerprint of an OpenPGP primary key. */
const Principal = z
  .string()
  .max(320)
  .regex(/^[^\s,"*?!]+$/, 'must be one principal of signers/allowed_signers, or the fingerprint of an OpenPGP primary key');

/** Waves of a rollout, and who approves it. */
export const RolloutStrategySpec = z.strictObject({
  waves: z
    .array(RolloutWave)
    .min(1)
    .max(50)
    .describe('In order. Clusters that no wave selects follow in a last one, without soak and gates.'),
  approvers: z
    .array(Principal)
    .min(1)
    .max(50)
    .optional()
    .describe('Signers whose signed tags approve commits; needed by waves with an approval.'),
  hostingSigners: z
    .array(Principal)
    .max(20)
    .optional()
    .describe('Signers that are no person, such as the key of a hosting service: what they sign needs two approvers.'),
  unreachableAfter: Duration.optional().describe(
    'Clusters that have been away, or not observed, for so long do not hold their wave; default 5m.',
  ),
});
export type RolloutStrategySpec = z.infer<typeof RolloutStrategySpec>;
/** Ordered waves in which a commit reaches the clusters. At most one per repository. */
export const RolloutStrategyDocument = gitDocument('RolloutStrategy', RolloutStrategySpec);
export type RolloutStrategyDocument = z.infer<typeof RolloutStrategyDocument>;
