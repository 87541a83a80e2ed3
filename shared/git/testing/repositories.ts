import fc from 'fast-check';
import type { Placement } from '../../api/index.ts';
import { registrationPaths, type SourceFile } from '../../decode/index.ts';
import { catalogFile, clusterFile, groupFile, policyFile, scopeFile } from '../../decode/testing/decoded.ts';
import { TEST_CATALOG } from '../../regions/testing/catalogue.ts';

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1'];
/** References that need a catalogue. */
const PLACES = ['aws/eu-west-1', 'country:GB', 'country:US'];
/** Names of clusters, of which a repository registers some. */
export const CLUSTERS = ['eu', 'us', 'apac', 'test'];
const FOLDERS = ['policies', 'policies/a', 'policies/a/deep', 'policies/b', 'policies/c'];

/** Texts by path. */
export const asFiles = (files: readonly SourceFile[]): Record<string, string> =>
  Object.fromEntries(files.map(({ path, text }) => [path, text]));
/** A policy file in a folder. */
export const below = (folder: string, file: SourceFile): SourceFile => ({ ...file, path: file.path.replace(/^policies/, folder) });

const placements: fc.Arbitrary<Placement> = fc.oneof(
  fc.constant({}),
  fc.record({ clusterRegions: fc.subarray([...REGIONS, 'group:eu', ...PLACES], { minLength: 1 }) }),
  fc.record({ clusterSelector: fc.record({ matchLabels: fc.record({ tier: fc.constantFrom('one', 'two') }) }) }),
);
/** Repositories with scopes around, in and beside each other; some have a catalogue of regions. */
export const repositories = fc.record({
  hasCatalog: fc.boolean(),
  clusters: fc.subarray(CLUSTERS).chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({
          name: fc.constant(name),
          regions: fc.subarray(REGIONS, { minLength: 1 }),
          tier: fc.constantFrom('one', 'two'),
          isBelow: fc.boolean(),
          provider: fc.constantFrom(undefined, 'aws', 'alibaba'),
        }),
      ),
    ),
  ),
  scopes: fc.uniqueArray(fc.record({ folder: fc.constantFrom(...FOLDERS), placement: placements }), { selector: ({ folder }) => folder }),
  policies: fc.array(fc.record({ folder: fc.constantFrom(...FOLDERS), placement: placements }), { maxLength: 8 }),
});
type Repository = typeof repositories extends fc.Arbitrary<infer T> ? T : never;

/** A placement without references to places. */
const byNames = ({ clusterRegions, ...rest }: Placement): Placement => ({
  ...rest,
  ...(clusterRegions && { clusterRegions: clusterRegions.filter((reference) => !PLACES.includes(reference)) }),
});

/** Returns the files of a generated repository. */
export const filesOf = ({ hasCatalog, clusters, scopes, policies }: Repository): readonly SourceFile[] => {
  const placed = hasCatalog ? (placement: Placement) => placement : byNames;
  return [
    ...(hasCatalog ? [catalogFile(TEST_CATALOG)] : []),
    groupFile('eu', ['eu-west-1', 'eu-central-1']),
    ...clusters.map(({ name, regions, tier, isBelow, provider }) => ({
      ...clusterFile(name, regions, { tier }, hasCatalog ? provider : undefined),
      path: registrationPaths(name)[isBelow ? 1 : 0],
    })),
    ...scopes.map(({ folder, placement }) => scopeFile(folder, placed(placement))),
    ...policies.map(({ folder, placement }, index) => below(folder, policyFile(`p${index}`, { placement: placed(placement) }))),
  ];
};

/** Other files that may lie around: readers must not differ in whether they count. */
export const ODD: readonly (readonly [path: string, text: string])[] = [
  ['clusters/README.md', 'x'],
  ['clusters/4d/README.md', 'x'],
  ['clusters/4D/README.md', 'x'],
  ['clusters/notes/x.md', 'x'],
  ['clusters/eu.yaml/x.md', 'x'],
  ['clusters/eu.yml', '# moved\n'],
  ['clusters/EU.yaml', '# moved\n'],
  ['clusters/us.yaml', ''],
  ['clusters/79/us.yaml', '# moved\n'],
  ['Clusters/README.md', 'x'],
  ['CLUSTERS', 'x'],
  ['Policies/README.md', 'x'],
  ['policies/A/x.yaml', '# nothing\n'],
  ['policies/a/scope.yaml/x.md', 'x'],
  ['policies/b/SCOPE.yml', ''],
  ['policies/b/Scope.md', ''],
  ['regions/scope.yaml', ''],
];
