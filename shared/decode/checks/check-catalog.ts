import type { CatalogGroup, CatalogRegion, RegionCatalogSpec } from '../../api/index.ts';
import { isCountryCode } from '../../regions/index.ts';
import { type ValueProblem, valueProblem } from '../issue-text.ts';
import type { ValuePath } from '../yaml/yaml-file.ts';

/** Checks a catalogue of regions for problems that its schema cannot express. */
export const checkCatalog = ({ regions, groups }: RegionCatalogSpec): readonly ValueProblem[] => [
  ...regions.flatMap((region, index) => checkRegion(region, ['spec', 'regions', index])),
  ...wrongNames(regions),
  ...groups.flatMap((group, index) => checkGroup(group, ['spec', 'groups', index])),
  ...repeatedGroups(groups),
];

const checkCountry = (country: string, path: ValuePath): readonly ValueProblem[] =>
  isCountryCode(country) ? [] : [valueProblem([...path, 'country'], `must be a country code of ISO 3166-1, is ${country}`)];

/** Checks that a term does not end before it begins. */
const checkTerm = ({ since, until }: { readonly since?: string | undefined; readonly until?: string | undefined }, path: ValuePath) =>
  since === undefined || until === undefined || since < until ? [] : [valueProblem([...path, 'until'], `must be after since, ${since}`)];

const checkRegion = (region: CatalogRegion, path: ValuePath): readonly ValueProblem[] => [
  ...checkCountry(region.country, path),
  ...checkTerm(region, path),
  ...(region.zones ?? []).flatMap(({ country }, index) => {
    const at = [...path, 'zones', index];
    if (country === region.country)
      return [valueProblem([...at, 'country'], `is that of the region: only zones in other countries are listed`)];
    return checkCountry(country, at);
  }),
];

/**
 * Most providers that may use one name. Any two of them can mean different countries by it, and
 * each such pair is a conflict in every list with the name. A cluster accepts 64 conflicts.
 */
const MAX_PROVIDERS_OF_NAME = 16;

/**
 * Checks that each provider uses a name once, for a region or a zone, and that not too many
 * providers use it.
 */
const wrongNames = (regions: readonly CatalogRegion[]): readonly ValueProblem[] => {
  const seen = new Map<string, Set<string>>();
  return regions.flatMap(({ provider, region, zones = [] }, index) => {
    const at = ['spec', 'regions', index];
    const names = [
      { name: region, path: [...at, 'region'] },
      ...zones.map(({ name }, zone) => ({ name, path: [...at, 'zones', zone, 'name'] })),
    ];
    return names.flatMap(({ name, path }) => {
      const providers = seen.get(name) ?? new Set<string>();
      seen.set(name, providers);
      if (providers.has(provider)) return [valueProblem(path, `is there twice: ${provider}/${name}`)];
      if (providers.size === MAX_PROVIDERS_OF_NAME)
        return [valueProblem(path, `is a name of more than ${MAX_PROVIDERS_OF_NAME} providers: ${name}`)];
      providers.add(provider);
      return [];
    });
  });
};

const checkGroup = ({ members, terms = [] }: CatalogGroup, path: ValuePath): readonly ValueProblem[] =>
  terms.flatMap((term, index) => {
    const at = [...path, 'terms', index];
    const isMember = members.includes(term.member) && terms.findIndex(({ member }) => member === term.member) === index;
    return [
      ...(isMember ? [] : [valueProblem([...at, 'member'], `must be one of the members, once, is ${term.member}`)]),
      ...checkTerm(term, at),
    ];
  });

const repeatedGroups = (groups: readonly CatalogGroup[]): readonly ValueProblem[] => {
  const names = groups.map(({ name }) => name);
  return names.flatMap((name, index) =>
    names.indexOf(name) === index ? [] : [valueProblem(['spec', 'groups', index, 'name'], 'is there twice')],
  );
};
