import type { SovereignPolicyDocument } from '../api/index.ts';
import { byText } from '../encoding/index.ts';
import type { DecodedDocument } from './decode-file.ts';
import { expandRegions, groupOf, type RegionGroups, regionGroupsOf } from './regions.ts';
import type { PolicySet, Sourced, SourceProblem } from './types.ts';
import type { ValuePath } from './yaml/yaml-file.ts';

/** The CRD takes no longer list; see `allowedRegions` in shared/api/sovereign-policy.ts. */
const MAX_ALLOWED_REGIONS = 100;

/** What documents say about each other: names that are taken twice, or that nothing bears. */
export const checkSet = (documents: readonly DecodedDocument[], set: PolicySet): readonly SourceProblem[] => {
  const groups = regionGroupsOf(set);
  const clusters = new Set(set.clusters.map(({ document }) => document.metadata.name));
  return [
    ...duplicates(documents),
    ...secondStrategies(documents),
    ...documents.flatMap((decoded) => (isPolicy(decoded) ? checkReferences(decoded, groups, clusters) : [])),
  ];
};

type Located<T extends DecodedDocument['document']> = DecodedDocument & Sourced<T>;

const isPolicy = (decoded: DecodedDocument): decoded is Located<SovereignPolicyDocument> => decoded.document.kind === 'SovereignPolicy';

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

const checkReferences = (
  decoded: Located<SovereignPolicyDocument>,
  groups: RegionGroups,
  clusters: ReadonlySet<string>,
): readonly SourceProblem[] => {
  const { allowedRegions, placement } = decoded.document.spec;
  const known = [...groups.keys()].sort(byText).join(', ') || 'none';
  const unknownGroups = (references: readonly string[], path: ValuePath): readonly SourceProblem[] =>
    references.flatMap((reference, index) => {
      const group = groupOf(reference);
      if (group === undefined || groups.has(group)) return [];
      return [problemAt(decoded, [...path, index], `there is no RegionGroup ${group} (there are: ${known})`)];
    });
  const unknownClusters = (placement?.clusterNames ?? []).flatMap((name, index) =>
    clusters.has(name) ? [] : [problemAt(decoded, ['spec', 'placement', 'clusterNames', index], `there is no ManagedCluster ${name}`)],
  );
  return [
    ...unknownGroups(allowedRegions, ['spec', 'allowedRegions']),
    ...unknownGroups(placement?.clusterRegions ?? [], ['spec', 'placement', 'clusterRegions']),
    ...unknownClusters,
    ...tooManyRegions(decoded, expandRegions(allowedRegions, groups).length),
  ];
};

const tooManyRegions = (decoded: DecodedDocument, count: number): readonly SourceProblem[] => {
  if (count <= MAX_ALLOWED_REGIONS) return [];
  const reason = `spec.allowedRegions stands for ${count} regions, the limit is ${MAX_ALLOWED_REGIONS}`;
  return [{ ...decoded.locate(['spec', 'allowedRegions'], 'key'), reason }];
};
