import { CATALOG_PATH } from '../api/index.ts';
import { listText } from '../runtime/text.ts';
import type { CatalogIndex } from './catalog-index.ts';
import { isCountryCode } from './places.ts';
import { parseReference } from './reference.ts';
import type { RegionResolver } from './resolver.ts';

/** The command that gives a repository its catalogue. */
const UPDATE = 'fso regions update';

const listed = (names: Iterable<string>): string => listText([...names]) || 'none';

/** Explains why a reference resolves to nothing; undefined if it is valid. */
export const referenceProblem = (reference: string, resolver: RegionResolver): string | undefined => {
  const parsed = parseReference(reference);
  if (parsed.type === 'name') return undefined;
  if (parsed.type === 'group') return groupProblem(parsed.group, resolver);
  if (resolver.catalog === undefined) return `${reference} needs ${CATALOG_PATH}: write it with ${UPDATE}`;
  if (parsed.type === 'country') return unless(isCountryCode(parsed.country), `${parsed.country} is no country code of ISO 3166-1`);
  if (parsed.type === 'partition')
    return unless(resolver.hasPartition(parsed.partition), `${CATALOG_PATH} has no partition ${parsed.partition}`);
  return providerProblem(parsed.provider, resolver.catalog) ?? regionProblem(parsed, resolver.catalog);
};

const unless = (isRight: boolean, problem: string): string | undefined => (isRight ? undefined : problem);

const groupProblem = (group: string, { groups, catalog }: RegionResolver): string | undefined => {
  if (groups.has(group)) return undefined;
  const hint = catalog === undefined ? `; ${CATALOG_PATH} has some, write it with ${UPDATE}` : '';
  return `there is no RegionGroup ${group} (there are: ${listed(groups.keys())}${hint})`;
};

/** Explains why a provider is unknown; undefined if it is known. */
export const providerProblem = (provider: string, catalog: CatalogIndex | undefined): string | undefined => {
  if (catalog === undefined) return `a provider needs ${CATALOG_PATH}: write it with ${UPDATE}`;
  return unless(
    catalog.providers.has(provider),
    `${CATALOG_PATH} has no provider ${provider} (there are: ${listed(catalog.providers.keys())})`,
  );
};

/** Most regions that a problem suggests. */
const MAX_SUGGESTED = 3;

/**
 * Explains why a region is unknown; undefined if it is known. Suggests other providers, since a
 * name of another provider is the usual mistake.
 */
const regionProblem = (
  { provider, name }: { readonly provider: string; readonly name: string },
  catalog: CatalogIndex,
): string | undefined => {
  const known = catalog.providers.get(provider);
  if (known?.has(name) === true) return undefined;
  const others = (catalog.names.get(name) ?? []).slice(0, MAX_SUGGESTED).map((reading) => `${reading.provider}/${name}`);
  const hint = others.length === 0 ? '' : `, did you mean ${others.join(' or ')}?`;
  return `${CATALOG_PATH} has no region ${name} of ${provider}${hint}`;
};
