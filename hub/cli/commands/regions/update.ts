import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { API_VERSION, CATALOG_PATH, type CatalogRegion, type RegionCatalogSpec } from '@fso/shared/api';
import { byText, canonicalJson } from '@fso/shared/encoding';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { messageOf } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { readRegionFiles } from './region-files.ts';

const HEADER = `# What the names of regions stand for. Written by fso regions update, which keeps entries that the
# release does not have; the commit that changes this file changes what policies mean.
`;

const nameOf = ({ provider, region }: CatalogRegion): string => `${provider}/${region}`;

/**
 * Formats a map as YAML on one line. All texts are quoted: in YAML 1.1, which some editors use, NO
 * is false.
 */
const flow = (map: object): string =>
  `{ ${Object.entries(map)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    .join(', ')} }`;

/** Formats a catalogue with one line per region and group, so that diffs name them. */
export const catalogText = ({ version, regions, groups }: RegionCatalogSpec): string =>
  [
    HEADER,
    `apiVersion: ${API_VERSION}\nkind: RegionCatalog\nmetadata:\n  name: regions\nspec:\n  version: ${JSON.stringify(version)}\n  regions:\n`,
    ...regions.map((region) => `    - ${flow(region)}\n`),
    groups.length === 0 ? '  groups: []\n' : '  groups:\n',
    ...groups.map((group) => `    - ${flow(group)}\n`),
  ].join('');

/**
 * Merges the release's catalogue with the regions and groups that only the repository has. Pure.
 */
export const mergeCatalogs = (release: RegionCatalogSpec, own: RegionCatalogSpec | undefined): RegionCatalogSpec => {
  const names = new Set(release.regions.map(nameOf));
  const groups = new Set(release.groups.map(({ name }) => name));
  const kept = (own?.regions ?? []).filter((region) => !names.has(nameOf(region)));
  return {
    version: release.version,
    regions: [...release.regions, ...kept].toSorted((left, right) => byText(nameOf(left), nameOf(right))),
    groups: [...release.groups, ...(own?.groups ?? []).filter(({ name }) => !groups.has(name))],
  };
};

interface CatalogChange {
  readonly sign: '+' | '~';
  readonly name: string;
}

const changesBetween = (before: RegionCatalogSpec | undefined, after: RegionCatalogSpec): readonly CatalogChange[] => {
  const textsOf = ({ regions, groups }: RegionCatalogSpec) =>
    new Map([
      ...regions.map((region) => [nameOf(region), canonicalJson(region)] as const),
      ...groups.map((group) => [`group:${group.name}`, canonicalJson(group)] as const),
    ]);
  const was = before === undefined ? new Map<string, string>() : textsOf(before);
  return [...textsOf(after)].flatMap(([name, text]): CatalogChange[] => {
    if (was.get(name) === text) return [];
    return [{ sign: was.has(name) ? '~' : '+', name }];
  });
};

const write = (file: string, text: string): void => {
  try {
    mkdirSync(dirname(file), { recursive: true });
    // Removes a link of that name in the repository, which would redirect the write.
    rmSync(`${file}.new`, { force: true });
    writeFileSync(`${file}.new`, text, { flag: 'wx' });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new CliError(`cannot write ${file}: ${messageOf(error)}`);
  }
};

/**
 * Runs `fso regions update`: writes the catalogue of this release into a repository.
 *
 * @throws CliError if the file contains anything else, or a newer catalogue
 */
export const updateRegions = (context: Context, { dir }: { readonly dir: string }): void => {
  const file = join(dir, CATALOG_PATH);
  const own = readRegionFiles(dir).catalog?.document.spec;
  if (own === undefined && existsSync(file))
    throw new CliError(`${file} is there and holds no RegionCatalog: move what it holds elsewhere`);
  if (own !== undefined && own.version > SEED_CATALOG.version)
    throw new CliError(`${file} has version ${own.version}, newer than ${SEED_CATALOG.version} of this release`, EXIT.negative);
  const merged = mergeCatalogs(SEED_CATALOG, own);
  write(file, catalogText(merged));
  const changes = changesBetween(own, merged);
  if (own !== undefined) for (const { sign, name } of changes) context.out(`${sign} ${name}\n`);
  const kept = merged.regions.length - SEED_CATALOG.regions.length;
  context.progress(
    `Wrote ${file}: version ${merged.version}, ${merged.regions.length} regions, ${kept} of them your own, ${changes.length} entries new or changed.\n` +
      `Next: fso validate ${dir}, then commit it.\n`,
  );
};
