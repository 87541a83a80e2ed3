import type { ClusterPolicySpec, EnforcementAction, ManagedClusterDocument, Placement, SovereignPolicyDocument } from '../api/index.ts';
import type { PolicySet, Sourced } from '../decode/index.ts';
import { type PlacementTest, placementTest, regionsOf, scopesAbove, scopesOf } from '../decode/index.ts';
import { byText, canonicalJson, sha256 } from '../encoding/index.ts';
import type { RegionResolver, ResolvedRegions } from '../regions/index.ts';

/**
 * Policy for one cluster: the spec in Git without its placement, with the regions that its
 * references stand for in that cluster.
 */
export interface CompiledPolicy {
  /**
   * Name of the policy and its key: every compiled policy goes into the agent's namespace, which
   * the agent chooses.
   */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Omit<ClusterPolicySpec, 'placement'>;
  readonly enforcementAction: EnforcementAction;
  /** Sorted, without duplicates. */
  readonly effectiveRegions: readonly string[];
  readonly sourcePath: string;
  /** sha256 (hex) over everything above. */
  readonly digest: string;
}

/** Policies that one cluster gets, sorted by name. */
export interface CompiledCluster {
  readonly cluster: string;
  readonly policies: readonly CompiledPolicy[];
  /** sha256 (hex) over the policies' digests; what an agent acks. */
  readonly digest: string;
}

/** Compiles a policy for clusters of a provider; undefined if their registrations name none. */
type CompileFor = (provider: string | undefined) => CompiledPolicy;

/** The policies of a set, sorted by name. */
interface PlacedPolicies {
  /** Tests of all different placements, each combined with the scopes around it. */
  readonly tests: readonly PlacementTest[];
  /** `test`: index of the test that selects the clusters of the policy. */
  readonly policies: readonly { readonly compileFor: CompileFor; readonly test: number }[];
}

/** Policies of all clusters of one provider that the same placements select. */
type Share = Omit<CompiledCluster, 'cluster'>;

/**
 * Compiles the policies that one cluster gets of a set; none if the cluster is not registered in
 * it. Pure: hub and agent compute the same digest. For many clusters use {@link compileFleet},
 * which compiles each policy once.
 */
export const compileCluster = (set: PolicySet, cluster: string): CompiledCluster => {
  const registered = set.clusters.find(({ document }) => document.metadata.name === cluster)?.document;
  const share = registered === undefined ? shareOf([]) : createPlacing(set)(registered);
  return { cluster, ...share };
};

/**
 * Compiles the policies of every registered cluster, by the cluster's name. Clusters that the same
 * placements select share one list, so the cost grows with the number of different placements and
 * not with that of the policies.
 */
export const compileFleet = (set: PolicySet): Map<string, CompiledCluster> => {
  const place = createPlacing(set);
  return new Map(
    set.clusters.map(({ document }) => {
      const cluster = document.metadata.name;
      return [cluster, { cluster, ...place(document) }];
    }),
  );
};

/** Whether all tests select a cluster. A loop, as closures for thousands of them are garbage. */
const isSelected = (cluster: ManagedClusterDocument, all: readonly PlacementTest[]): boolean => {
  for (const selects of all) if (!selects(cluster)) return false;
  return true;
};

const placedPolicies = (set: PolicySet): PlacedPolicies => {
  const regions = regionsOf(set);
  const scopes = scopesOf(set);
  const tests: PlacementTest[] = [];
  const indexOf = new Map<string, number>();
  const testOf = ({ document, source }: Sourced<SovereignPolicyDocument>): number => {
    const around = scopesAbove(source.path, scopes).map((scope) => scope.document.spec.placement);
    const placements: readonly Placement[] = [...around, document.spec.placement ?? {}];
    const text = canonicalJson(placements);
    const known = indexOf.get(text);
    if (known !== undefined) return known;
    indexOf.set(text, tests.length);
    const all = placements.map((placement) => placementTest(placement, regions));
    return tests.push((cluster) => isSelected(cluster, all)) - 1;
  };
  const policies = set.policies
    .toSorted((left, right) => byText(left.document.metadata.name, right.document.metadata.name))
    .map((sourced) => ({ compileFor: compilerOf(sourced, regions), test: testOf(sourced) }));
  return { tests, policies };
};

const createPlacing = (set: PolicySet): ((cluster: ManagedClusterDocument) => Share) => {
  const { tests, policies } = placedPolicies(set);
  const shares = new Map<string, Share>();
  // Reused for all clusters, of which there may be thousands.
  const selected: ('0' | '1')[] = tests.map(() => '0');
  return (cluster) => {
    const { provider } = cluster.spec;
    for (let at = 0; at < tests.length; at += 1) selected[at] = tests[at]?.(cluster) === true ? '1' : '0';
    const key = `${selected.join('')} ${provider ?? ''}`;
    const share =
      shares.get(key) ?? shareOf(policies.filter(({ test }) => selected[test] === '1').map(({ compileFor }) => compileFor(provider)));
    shares.set(key, share);
    return share;
  };
};

const shareOf = (policies: readonly CompiledPolicy[]): Share => ({ policies, digest: digestOfPolicies(policies) });

/** {@link CompiledCluster.digest} of policies that are sorted by name. */
export const digestOfPolicies = (policies: readonly Pick<CompiledPolicy, 'name' | 'digest'>[]): string =>
  sha256(policies.map(({ name, digest }) => `${name} ${digest}\n`).join(''));

/** Digest of a cluster without policies, like one that is not registered. */
export const DIGEST_OF_NONE: string = digestOfPolicies([]);

/** {@link CompiledPolicy.digest}; an existing digest is ignored. */
export const digestOfPolicy = (policy: Omit<CompiledPolicy, 'digest'> & Partial<Pick<CompiledPolicy, 'digest'>>): string => {
  const { digest: _stated, ...content } = policy;
  return sha256(canonicalJson(content));
};

/** Creates the compiler of a policy: once for all providers that resolve its regions alike. */
const compilerOf = (sourced: Sourced<SovereignPolicyDocument>, regions: RegionResolver): CompileFor => {
  const compiled = new Map<ResolvedRegions, CompiledPolicy>();
  return (provider) => {
    const resolved = regions.resolveAllowed(sourced.document.spec.allowedRegions, provider);
    const policy = compiled.get(resolved) ?? compilePolicy(sourced, resolved);
    compiled.set(resolved, policy);
    return policy;
  };
};

const compilePolicy = (
  { document, source }: Sourced<SovereignPolicyDocument>,
  { regions: effectiveRegions, conflicts }: ResolvedRegions,
): CompiledPolicy => {
  const { placement: _hubSide, ...spec } = document.spec;
  const content: Omit<CompiledPolicy, 'digest'> = {
    name: document.metadata.name,
    labels: document.metadata.labels ?? {},
    // A cluster cannot resolve references, so its policies have none.
    spec: {
      ...spec,
      allowedRegions: [...effectiveRegions],
      ...(conflicts.length === 0 ? {} : { regionConflicts: [...conflicts] }),
    },
    enforcementAction: spec.enforcementAction,
    effectiveRegions,
    sourcePath: source.path,
  };
  return { ...content, digest: digestOfPolicy(content) };
};
