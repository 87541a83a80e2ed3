import type { RegionConflict } from '../api/index.ts';
import { byText } from '../encoding/canonical-json.ts';
import type { CatalogIndex, Reading } from './catalog-index.ts';
import { ANY_PROVIDER, joinedTerm, type Membership, type NameTable, type Term } from './membership.ts';

type Providers = ReadonlyMap<string, Membership>;

/** A conflict of one name. */
type Conflict = Omit<RegionConflict, 'regions'>;

interface Name {
  readonly readings: readonly Reading[];
  readonly providers: Providers;
  /** Provider of the cluster's registration. */
  readonly declared: string | undefined;
}

/**
 * Returns the names of a table that apply to clusters of a provider, and the conflicts that exclude
 * a name at certain providers or times.
 */
export const conflictsOf = (
  table: NameTable,
  catalog: CatalogIndex | undefined,
  declared: string | undefined,
): { readonly regions: readonly string[]; readonly conflicts: readonly RegionConflict[] } => {
  const names = [...table].map(([name, providers]) => ({ name, readings: catalog?.names.get(name) ?? [], providers, declared }));
  const inside = names.filter(isInside);
  return { regions: inside.map(({ name }) => name).sort(byText), conflicts: merged(inside) };
};

/**
 * Whether a name applies to clusters of the declared provider; without one, to those of any
 * provider.
 */
const isInside = ({ readings, providers, declared }: Name): boolean => {
  if (declared === undefined) return providers.size > 0;
  return providers.has(declared) || (providers.has(ANY_PROVIDER) && !readings.some(({ provider }) => provider === declared));
};

/** Merges the conflicts of names: one entry for all names with the same conflict. */
const merged = (names: readonly (Name & { readonly name: string })[]): readonly RegionConflict[] => {
  const entries = new Map<string, RegionConflict>();
  for (const name of names) {
    for (const conflict of conflictsOfName(name)) {
      const text = JSON.stringify([conflict.providers, conflict.from, conflict.until]);
      const known: RegionConflict = entries.get(text) ?? { ...conflict, regions: [] };
      entries.set(text, known);
      known.regions.push(name.name);
    }
  }
  for (const { regions } of entries.values()) regions.sort(byText);
  return [...entries].sort(([left], [right]) => byText(left, right)).map(([, conflict]) => conflict);
};

const conflictsOfName = (name: Name): readonly Conflict[] => {
  const outside = name.readings.map(({ provider }) => provider).filter((provider) => !name.providers.has(provider));
  const others = outside.filter((provider) => provider !== name.declared);
  return [...others.map((provider) => ({ providers: [provider] })), ...ambiguities(name), ...ends(name)];
};

/** Pairs of providers that mean different countries by a bare name. */
const ambiguities = ({ readings, providers, declared }: Name): readonly Conflict[] => {
  const inside = readings.filter(({ provider }) => providers.has(provider));
  return inside.flatMap((left, index) =>
    inside.slice(index + 1).flatMap((right): Conflict[] => {
      if (left.country === right.country || ![left, right].some(({ provider }) => providers.get(provider)?.isBare)) return [];
      const pair = [left.provider, right.provider].filter((provider) => provider !== declared).sort(byText);
      return [{ providers: pair }];
    }),
  );
};

/**
 * Conflicts before the beginning and after the end of a name's term: for the whole cluster, and for
 * single providers with a shorter term.
 */
const ends = ({ providers, declared }: Name): readonly Conflict[] => {
  const own = declared === undefined ? undefined : (providers.get(declared) ?? providers.get(ANY_PROVIDER));
  const whole: Term = own ?? [...providers.values()].reduce<Term>((all, each) => joinedTerm(all, each), [...providers.values()][0] ?? {});
  const others = [...providers].filter(([provider]) => provider !== ANY_PROVIDER && provider !== declared);
  return [
    ...outOf(whole, []),
    ...others.flatMap(([provider, term]) =>
      outOf(
        {
          ...(term.since !== undefined && term.since > (whole.since ?? '') ? { since: term.since } : {}),
          ...(term.until !== undefined && (whole.until === undefined || term.until < whole.until) ? { until: term.until } : {}),
        },
        [provider],
      ),
    ),
  ];
};

/** Converts the time outside of a term to conflicts. */
const outOf = ({ since, until }: Term, providers: string[]): readonly Conflict[] => [
  ...(since === undefined ? [] : [{ providers, until: since }]),
  ...(until === undefined ? [] : [{ providers, from: until }]),
];
