import { SovereignPolicySpec } from '@fso/shared/api';
import fc from 'fast-check';
import type { PolicyInput } from '../../../agent/enforce/index.ts';
import { acceptedPlacement, allowedRegions, anyPlacement } from './placements.ts';
import type { GovernedNamespace, OracleCase } from './types.ts';

/** A namespace with the lists of the policies that target it. */
export interface World {
  readonly namespace: string;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** Glob of its policies; default: the namespace. They exclude {@link FREE_NAMESPACE}. */
  readonly target?: string;
  /** Whether the namespace has no labels yet: then the index of the floor judges. */
  readonly byIndex?: true;
}

/** The namespaces that are governed on the real API server. */
export const WORLDS: readonly World[] = [
  { namespace: 'one', lists: { one: ['eu-west-1'] } },
  { namespace: 'two', lists: { two: ['eu-west-1', 'eu-central-1'] } },
  { namespace: 'elsewhere', lists: { elsewhere: ['us-west-2', 'us-east-1'] } },
  { namespace: 'numbers', lists: { numbers: ['3', '5', '007', '12', 'eu-west-1'] } },
  { namespace: 'odd', lists: { odd: ['EU-WEST-1', 'eu-west-10', 'eu_west.1', 'null', 'constructor', 'r'.repeat(63)] } },
  { namespace: 'many', lists: { many: ['eu-west-1', ...Array.from({ length: 30 }, (_, at) => `region-${at}`)] } },
  { namespace: 'overlap', lists: { left: ['eu-west-1', 'us-east-1'], right: ['us-east-1', 'us-west-2'] } },
  { namespace: 'conflict', lists: { left: ['eu-west-1'], right: ['us-east-1'] } },
  { namespace: 'team-a', lists: { teams: ['eu-west-1', 'us-west-2'] }, target: 'team-*' },
  { namespace: 'unlabelled', lists: { unlabelled: ['eu-west-1', 'eu-central-1'] }, byIndex: true },
  { namespace: 'unlabelled-conflict', lists: { left: ['eu-west-1'], right: ['us-east-1'] }, byIndex: true },
];

/** A namespace that a glob matches, and that its policy excludes. */
export const FREE_NAMESPACE = 'team-out';

/** The namespace in which the policies of a world live. */
export const POLICY_NAMESPACE = 'team';

/** The name of the policy with one of a world's lists. */
export const policyName = (world: World, list: string): string => `${world.namespace}-${list}`;

export const governedOf = (world: World): GovernedNamespace => {
  const [first = [], ...others] = Object.values(world.lists);
  return {
    namespace: world.namespace,
    policies: Object.keys(world.lists).map((list) => `${POLICY_NAMESPACE}/${policyName(world, list)}`),
    regions: first.filter((region) => others.every((other) => other.includes(region))).toSorted(),
  };
};

/** The policies of all worlds. */
export const POLICIES: readonly PolicyInput[] = WORLDS.flatMap((world) =>
  Object.entries(world.lists).map(([list, regions]) => ({
    key: `${POLICY_NAMESPACE}/${policyName(world, list)}`,
    namespace: POLICY_NAMESPACE,
    name: policyName(world, list),
    managedBy: 'local' as const,
    revision: undefined,
    generation: 1,
    spec: SovereignPolicySpec.parse({
      targetNamespace: world.target ?? world.namespace,
      allowedRegions: [...regions],
      ...(world.target !== undefined && { excludedNamespaces: [FREE_NAMESPACE] }),
    }),
    deleting: false,
  })),
);

/** The governed namespaces of a real API server. */
export const ofWorlds: fc.Arbitrary<GovernedNamespace> = fc.constantFrom(...WORLDS.map(governedOf));
const ofAnyList = allowedRegions.map((regions) => governedOf({ namespace: 'governed', lists: { policy: regions } }));

/** Cases that the real API server accepts. */
export const acceptedCase: fc.Arbitrary<OracleCase> = fc.record({ governed: ofWorlds, pod: acceptedPlacement });

export const anyCase: fc.Arbitrary<OracleCase> = fc.record({ governed: fc.oneof(ofWorlds, ofAnyList), pod: anyPlacement });
