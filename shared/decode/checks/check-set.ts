import type { ManagedClusterDocument, Placement, PolicyScopeDocument, SovereignPolicyDocument } from '../../api/index.ts';
import type { DecodedDocument } from '../decode-file.ts';
import { parentOf } from '../paths.ts';
import type { PlacementTest } from '../placement.ts';
import { regionsOf } from '../regions.ts';
import { type Scopes, scopesAbove, scopesOf, scopeTests } from '../scopes.ts';
import type { PolicySet, Sourced, SourceProblem } from '../types.ts';
import type { ValuePath } from '../yaml/yaml-file.ts';
import { countPlacements, declaredProviders, groupNestingProblems, unknownReferences, wrongSizes } from './check-references.ts';

/**
 * Extent of the decoded files: a whole repository, or the part that concerns one cluster. That part
 * contains no registration but the cluster's own.
 */
export type Extent = 'repository' | 'cluster';

/** Clusters and scopes that placements are checked against. */
interface Definitions {
  /** Undefined if not all clusters are known. */
  readonly clusters: ReadonlyMap<string, ManagedClusterDocument> | undefined;
  readonly scopes: Scopes;
  /**
   * Test for each folder with a scope: whether a cluster is in that scope and in all enclosing
   * ones.
   */
  readonly inScope: ReadonlyMap<string, PlacementTest>;
}

/**
 * Checks documents against each other: duplicate names, references to what does not exist, and
 * lists of regions that are empty or too long.
 */
export const checkSet = (documents: readonly DecodedDocument[], set: PolicySet, extent: Extent): readonly SourceProblem[] => {
  const regions = regionsOf(set);
  const unresolved = [...documents.flatMap((decoded) => unknownReferences(decoded, regions)), ...groupNestingProblems(documents, regions)];
  return [
    ...duplicates(documents),
    ...severalOf(documents, 'RolloutStrategy'),
    ...severalOf(documents, 'RegionCatalog'),
    ...unresolved,
    ...checkPlacements(documents, set, extent),
    // Broken groups would cause further problems in the policies that name them.
    ...(unresolved.length === 0 ? checkSizes(documents, set, extent) : []),
  ];
};

const checkPlacements = (documents: readonly DecodedDocument[], set: PolicySet, extent: Extent): readonly SourceProblem[] => {
  const clusters = new Map(set.clusters.map(({ document }) => [document.metadata.name, document]));
  const scopes = scopesOf(set);
  const defined: Definitions = {
    clusters: extent === 'repository' ? clusters : undefined,
    scopes,
    inScope: scopeTests(scopes, regionsOf(set)),
  };
  return documents.flatMap((decoded) => (isPolicy(decoded) || isScope(decoded) ? checkPlacement(decoded, defined) : []));
};

/**
 * Checks the sizes of region lists. An agent knows only the provider of its own cluster, and must
 * not refuse for other clusters what the hub accepts.
 */
const checkSizes = (documents: readonly DecodedDocument[], set: PolicySet, extent: Extent): readonly SourceProblem[] => {
  const regions = regionsOf(set);
  const declared = declaredProviders(set, extent === 'repository' ? [undefined] : []);
  const problems = documents.flatMap((decoded) => (isPolicy(decoded) ? wrongSizes(decoded, regions, declared) : []));
  for (const decoded of documents) countPlacements(decoded, regions, declared);
  if (!regions.isExhausted) return problems;
  return [{ path: '.', line: 1, column: 1, reason: 'the groups and policies of the repository stand for too many regions' }];
};

type Located<T extends DecodedDocument['document']> = DecodedDocument & Sourced<T>;

const isPolicy = (decoded: DecodedDocument): decoded is Located<SovereignPolicyDocument> => decoded.document.kind === 'SovereignPolicy';

const isScope = (decoded: DecodedDocument): decoded is Located<PolicyScopeDocument> => decoded.document.kind === 'PolicyScope';

const positionText = ({ path, line, column }: DecodedDocument['source']): string => `${path}:${line}:${column}`;

const duplicates = (documents: readonly DecodedDocument[]): readonly SourceProblem[] => {
  const first = new Map<string, DecodedDocument>();
  return documents.flatMap((decoded) => {
    const { kind, metadata } = decoded.document;
    const other = first.get(`${kind}/${metadata.name}`);
    if (other === undefined) {
      first.set(`${kind}/${metadata.name}`, decoded);
      return [];
    }
    return [problemAt(decoded, ['metadata', 'name'], `${kind} ${metadata.name} is there twice, first at ${positionText(other.source)}`)];
  });
};

const severalOf = (documents: readonly DecodedDocument[], kind: 'RolloutStrategy' | 'RegionCatalog'): readonly SourceProblem[] => {
  const [first, ...others] = documents.filter(({ document }) => document.kind === kind);
  return others.map((other) =>
    problemAt(other, ['kind'], `a repository has one ${kind}, another is at ${first === undefined ? '' : positionText(first.source)}`),
  );
};

const problemAt = (decoded: DecodedDocument, path: ValuePath, reason: string): SourceProblem => ({ ...decoded.locate(path), reason });

const checkPlacement = (
  decoded: Located<SovereignPolicyDocument> | Located<PolicyScopeDocument>,
  defined: Definitions,
): readonly SourceProblem[] => {
  const { clusterNames = [] }: Placement = decoded.document.spec.placement ?? {};
  return clusterNames.flatMap((name, index) => checkNamed(decoded, { path: ['spec', 'placement', 'clusterNames', index], name }, defined));
};

/**
 * Checks that a named cluster exists and is in all enclosing scopes. A name that selects nothing is
 * a mistake.
 */
const checkNamed = (
  decoded: DecodedDocument,
  { path, name }: { readonly path: ValuePath; readonly name: string },
  { clusters, scopes, inScope }: Definitions,
): readonly SourceProblem[] => {
  if (clusters === undefined) return [];
  const cluster = clusters.get(name);
  if (cluster === undefined) return [problemAt(decoded, path, `there is no ManagedCluster ${name}`)];
  const around = scopesAbove(decoded.source.path, scopes).filter(({ document }) => document !== decoded.document);
  const outside = around.find(({ source }) => inScope.get(parentOf(source.path))?.(cluster) === false);
  return outside === undefined
    ? []
    : [problemAt(decoded, path, `cluster ${name} is outside of the scope in ${positionText(outside.source)}`)];
};
