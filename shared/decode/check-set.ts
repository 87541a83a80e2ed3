import type { ManagedClusterDocument, Placement, PolicyScopeDocument, SovereignPolicyDocument } from '../api/index.ts';
import { byText } from '../encoding/index.ts';
import type { DecodedDocument } from './decode-file.ts';
import { parentOf } from './paths.ts';
import type { PlacementTest } from './placement.ts';
import { expandRegions, groupOf, type RegionGroups, regionGroupsOf } from './regions.ts';
import { type Scopes, scopesAbove, scopesOf, scopeTests } from './scopes.ts';
import type { PolicySet, Sourced, SourceProblem } from './types.ts';
import type { ValuePath } from './yaml/yaml-file.ts';

/** The CRD takes no longer list; see `allowedRegions` in shared/api/sovereign-policy.ts. */
const MAX_ALLOWED_REGIONS = 100;

/**
 * Extent of what is decoded: all of a repository, or the part of it that concerns one cluster,
 * which has no registration but its own.
 */
export type Extent = 'repository' | 'cluster';

/** Definitions in which references are looked up. */
interface References {
  readonly groups: RegionGroups;
  /** undefined: clusters are not all known. */
  readonly clusters: ReadonlyMap<string, ManagedClusterDocument> | undefined;
  readonly scopes: Scopes;
  /** Tests, by folder, of whether a cluster is in its scope and in those around it. */
  readonly inScope: ReadonlyMap<string, PlacementTest>;
}

/** Checks documents against each other: names that are taken twice, or that do not exist. */
export const checkSet = (documents: readonly DecodedDocument[], set: PolicySet, extent: Extent): readonly SourceProblem[] => {
  const clusters = new Map(set.clusters.map(({ document }) => [document.metadata.name, document]));
  const [groups, scopes] = [regionGroupsOf(set), scopesOf(set)];
  const defined: References = {
    groups,
    clusters: extent === 'repository' ? clusters : undefined,
    scopes,
    inScope: scopeTests(scopes, groups),
  };
  return [
    ...duplicates(documents),
    ...secondStrategies(documents),
    ...documents.flatMap((decoded) => {
      if (isPolicy(decoded)) return [...checkPlacement(decoded, defined), ...checkRegions(decoded, defined)];
      return isScope(decoded) ? checkPlacement(decoded, defined) : [];
    }),
  ];
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

const secondStrategies = (documents: readonly DecodedDocument[]): readonly SourceProblem[] => {
  const [first, ...others] = documents.filter(({ document }) => document.kind === 'RolloutStrategy');
  return others.map((other) =>
    problemAt(
      other,
      ['kind'],
      `a repository has one RolloutStrategy, another is at ${first === undefined ? '' : positionText(first.source)}`,
    ),
  );
};

const problemAt = (decoded: DecodedDocument, path: ValuePath, reason: string): SourceProblem => ({ ...decoded.locate(path), reason });

const unknownGroups = (
  decoded: DecodedDocument,
  { path, references }: { readonly path: ValuePath; readonly references: readonly string[] },
  groups: RegionGroups,
): readonly SourceProblem[] =>
  references.flatMap((reference, index) => {
    const group = groupOf(reference);
    if (group === undefined || groups.has(group)) return [];
    const defined = [...groups.keys()].sort(byText).join(', ') || 'none';
    return [problemAt(decoded, [...path, index], `there is no RegionGroup ${group} (there are: ${defined})`)];
  });

const checkPlacement = (
  decoded: Located<SovereignPolicyDocument> | Located<PolicyScopeDocument>,
  defined: References,
): readonly SourceProblem[] => {
  const { clusterNames = [], clusterRegions = [] }: Placement = decoded.document.spec.placement ?? {};
  const path = ['spec', 'placement'];
  return [
    ...unknownGroups(decoded, { path: [...path, 'clusterRegions'], references: clusterRegions }, defined.groups),
    ...clusterNames.flatMap((name, index) => checkNamed(decoded, { path: [...path, 'clusterNames', index], name }, defined)),
  ];
};

/**
 * Checks that a named cluster exists and is in the scopes around: a name that selects nothing is a
 * mistake.
 */
const checkNamed = (
  decoded: DecodedDocument,
  { path, name }: { readonly path: ValuePath; readonly name: string },
  { clusters, scopes, inScope }: References,
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

const checkRegions = (decoded: Located<SovereignPolicyDocument>, { groups }: References): readonly SourceProblem[] => {
  const { allowedRegions } = decoded.document.spec;
  return [
    ...unknownGroups(decoded, { path: ['spec', 'allowedRegions'], references: allowedRegions }, groups),
    ...tooManyRegions(decoded, expandRegions(allowedRegions, groups).length),
  ];
};

const tooManyRegions = (decoded: DecodedDocument, count: number): readonly SourceProblem[] => {
  if (count <= MAX_ALLOWED_REGIONS) return [];
  const reason = `spec.allowedRegions stands for ${count} regions, the limit is ${MAX_ALLOWED_REGIONS}`;
  return [{ ...decoded.locate(['spec', 'allowedRegions'], 'key'), reason }];
};
