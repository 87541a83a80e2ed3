import type { Placement, RegionCatalogDocument, RegionGroupDocument, SovereignPolicyDocument } from '../../api/index.ts';
import { groupProblems, providerProblem, type RegionResolver, referenceProblem } from '../../regions/index.ts';
import type { DecodedDocument } from '../decode-file.ts';
import type { PolicySet, SourceProblem } from '../types.ts';
import type { ValuePath } from '../yaml/yaml-file.ts';

/** Limits of the CRD; see shared/api/sovereign-policy.ts. */
const MAX_ALLOWED_REGIONS = 100;
const MAX_CONFLICTS = 64;

/** References in one field of a document. */
interface References {
  readonly path: ValuePath;
  readonly references: readonly string[];
}

const GROUP_LISTS = ['regions', 'exclude'] as const;

/** All references of a document. */
const referencesOf = ({ document }: DecodedDocument): readonly References[] => {
  switch (document.kind) {
    case 'SovereignPolicy':
      return [{ path: ['spec', 'allowedRegions'], references: document.spec.allowedRegions }, ...placed(document.spec.placement)];
    case 'PolicyScope':
      return placed(document.spec.placement);
    case 'RegionGroup':
      return GROUP_LISTS.map((list) => ({ path: ['spec', list], references: document.spec[list] ?? [] }));
    case 'RegionCatalog':
      return document.spec.groups.flatMap(({ members, exclude = [] }, index) => [
        { path: ['spec', 'groups', index, 'members'], references: members },
        { path: ['spec', 'groups', index, 'exclude'], references: exclude },
      ]);
    default:
      return [];
  }
};

const placed = (placement: Placement | undefined): readonly References[] => [
  { path: ['spec', 'placement', 'clusterRegions'], references: placement?.clusterRegions ?? [] },
];

/** Finds the references of a document that resolve to nothing, such as an unknown group. */
export const unknownReferences = (decoded: DecodedDocument, regions: RegionResolver): readonly SourceProblem[] => {
  const { document } = decoded;
  const provider = document.kind === 'ManagedCluster' ? document.spec.provider : undefined;
  const noProvider = provider && providerProblem(provider, regions.catalog);
  return [
    ...(noProvider ? [{ ...decoded.locate(['spec', 'provider']), reason: noProvider }] : []),
    ...referencesOf(decoded).flatMap(({ path, references }) =>
      references.flatMap((reference, index) => {
        const reason = referenceProblem(reference, regions);
        return reason === undefined ? [] : [{ ...decoded.locate([...path, index]), reason }];
      }),
    ),
  ];
};

const definitionPath = (document: RegionGroupDocument | RegionCatalogDocument, group: string): ValuePath =>
  document.kind === 'RegionGroup' ? ['spec'] : ['spec', 'groups', document.spec.groups.findIndex(({ name }) => name === group)];

/**
 * Returns a problem for each region group that contains itself or is nested too deep, located at
 * the reference by which it does.
 */
export const groupNestingProblems = (documents: readonly DecodedDocument[], { groups }: RegionResolver): readonly SourceProblem[] => {
  const problems = groupProblems(groups);
  if (problems.length === 0) return [];
  const own = new Map(
    documents.filter(({ document }) => document.kind === 'RegionGroup').map((each) => [each.document.metadata.name, each]),
  );
  const catalog = documents.find(({ document }) => document.kind === 'RegionCatalog');
  return problems.flatMap(({ group, reference, reason }) => {
    const decoded = own.get(group) ?? catalog;
    if (decoded === undefined) return [];
    const path = definitionPath(decoded.document as RegionGroupDocument | RegionCatalogDocument, group);
    const place = referencesOf(decoded).find(
      ({ path: list, references }) => path.every((step, index) => list[index] === step) && references.includes(reference),
    );
    return [{ ...decoded.locate(place === undefined ? path : [...place.path, place.references.indexOf(reference)]), reason }];
  });
};

/**
 * Providers that registrations declare. The entry `undefined` is for clusters that declare none.
 */
type Declared = readonly (string | undefined)[];

/** Returns the providers for which policies are compiled; `orElse` if no cluster is registered. */
export const declaredProviders = ({ clusters }: PolicySet, orElse: Declared): Declared =>
  clusters.length === 0 ? orElse : [...new Set(clusters.map(({ document }) => document.spec.provider))];

/** Finds lists of regions that are empty or longer than a cluster accepts. */
export const wrongSizes = (
  decoded: DecodedDocument & { readonly document: SovereignPolicyDocument },
  regions: RegionResolver,
  declared: Declared,
): readonly SourceProblem[] => {
  const { allowedRegions } = decoded.document.spec;
  const reasons = [
    ...(regions.resolve(allowedRegions).regions.length === 0 ? ['stands for no region'] : []),
    ...declared.flatMap((provider) => tooMany(allowedRegions, regions, provider)),
  ];
  return reasons.slice(0, 1).map((reason) => ({
    ...decoded.locate(['spec', 'allowedRegions'], 'key'),
    reason: `spec.allowedRegions ${reason}`,
  }));
};

/**
 * Resolves the regions of a placement, as compilation does, so that they count towards the limit of
 * the resolver.
 */
export const countPlacements = (decoded: DecodedDocument, regions: RegionResolver, declared: Declared): void => {
  const { document } = decoded;
  if (document.kind !== 'SovereignPolicy' && document.kind !== 'PolicyScope') return;
  const { clusterRegions = [] } = document.spec.placement ?? {};
  for (const provider of declared) regions.resolve(clusterRegions, provider);
};

/** Number of references that a problem names, those with the most regions first. */
const NAMED_REFERENCES = 5;

/**
 * Lists the references with the most regions: `: group:eu for 90, group:us for 60 and 3 more`.
 * Empty if there is only one reference.
 */
const largestOf = (references: readonly string[], regions: RegionResolver, provider: string | undefined): string => {
  const counted = references.map((reference) => ({ reference, count: regions.resolve([reference], provider).regions.length }));
  const named = counted.toSorted((a, b) => b.count - a.count).slice(0, NAMED_REFERENCES);
  const more = counted.length > named.length ? ` and ${counted.length - named.length} more` : '';
  return counted.length < 2 ? '' : `: ${named.map(({ reference, count }) => `${reference} for ${count}`).join(', ')}${more}`;
};

const tooMany = (references: readonly string[], resolver: RegionResolver, provider: string | undefined): readonly string[] => {
  const { regions, conflicts } = resolver.resolveAllowed(references, provider);
  const where = provider === undefined ? '' : ` in clusters of ${provider}`;
  if (regions.length > MAX_ALLOWED_REGIONS) {
    const largest = largestOf(references, resolver, provider);
    return [`stands for ${regions.length} regions${where}, the limit is ${MAX_ALLOWED_REGIONS}${largest}`];
  }
  if (conflicts.length > MAX_CONFLICTS)
    return [`stands for names that ${conflicts.length} sets of providers read differently${where}, the limit is ${MAX_CONFLICTS}`];
  return [];
};
