import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CatalogRegion, RegionCatalogSpec } from '../api/index.ts';
import { indexCatalog } from './catalog-index.ts';
import { regionsInForce } from './in-force.ts';
import { parseReference } from './reference.ts';
import { type GroupDefinition, RegionResolver } from './resolver.ts';
import { region } from './testing/catalogue.ts';

/**
 * A second reading of the same rules, one name, provider and day at a time, without tables or
 * conflicts: what the resolver and the list of conflicts say together must equal it.
 */

const PROVIDERS = ['p', 'q', 'r'];
const NAMES = ['a', 'b', 'c'];
const COUNTRIES = ['DE', 'IE', 'TR'];
const DAYS = ['2027-01-01', '2028-01-01', '2029-01-01'];
const GROUPS = ['g', 'h', 'i'];
const FREE = ['a', 'b', 'c', 'd'];

type Groups = Readonly<Record<string, GroupDefinition>>;
interface World {
  readonly regions: readonly CatalogRegion[];
  readonly groups: Groups;
}

const anyRegions = fc
  .uniqueArray(
    fc.record({
      provider: fc.constantFrom(...PROVIDERS),
      name: fc.constantFrom(...NAMES),
      country: fc.constantFrom(...COUNTRIES),
      partition: fc.constantFrom('x', 'y'),
      until: fc.option(fc.constantFrom(...DAYS), { nil: undefined, freq: 4 }),
    }),
    { selector: ({ provider, name }) => `${provider}/${name}`, maxLength: 9, minLength: 1 },
  )
  .map((all) =>
    all.map(({ provider, name, country, partition, until }) =>
      region(`${provider}/${name}`, country, { partition, ...(until === undefined ? {} : { until }) }),
    ),
  );

/** References; groups name only groups after them, so that none contains itself. */
const anyReference = (groups: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...FREE),
    fc.tuple(fc.constantFrom(...PROVIDERS), fc.constantFrom(...NAMES)).map((parts) => parts.join('/')),
    fc.constantFrom(...COUNTRIES).map((country) => `country:${country}`),
    fc.constantFrom('partition:x', 'partition:y'),
    ...(groups.length === 0 ? [] : [fc.constantFrom(...groups).map((group) => `group:${group}`)]),
  );

const anyTerm = fc
  .tuple(fc.option(fc.constantFrom(...DAYS.slice(0, 2)), { nil: undefined }), fc.option(fc.constantFrom(...DAYS), { nil: undefined }))
  .filter(([since, until]) => since === undefined || until === undefined || since < until)
  .map(([since, until]) => ({ since, until }));

const anyGroup = (later: readonly string[]): fc.Arbitrary<GroupDefinition> =>
  fc
    .record({
      members: fc.uniqueArray(anyReference(later), { minLength: 1, maxLength: 4 }),
      exclude: fc.uniqueArray(anyReference([]), { maxLength: 2 }),
      term: fc.option(anyTerm, { nil: undefined }),
    })
    .map(({ members, exclude, term }) => ({
      members,
      exclude,
      terms: term === undefined ? [] : [{ member: members[0] ?? '', ...term }],
    }));

const anyWorld: fc.Arbitrary<World> = fc.record({
  regions: anyRegions,
  groups: fc.record({ g: anyGroup(['h', 'i']), h: anyGroup(['i']), i: anyGroup([]) }),
});

const holds = ({ since, until }: { since?: string | undefined; until?: string | undefined }, day: string): boolean =>
  (since === undefined || since <= day) && (until === undefined || day < until);

/** A day; `always`: also what has ended or not begun by then. */
type Moment = string | 'always';
/** Way in which a list names a region: with its place, by its bare name alone, or not. */
type Way = 'bare' | 'placed' | undefined;

class Reader {
  readonly #world: World;
  readonly #moment: Moment;

  constructor(world: World, moment: Moment) {
    this.#world = world;
    this.#moment = moment;
  }

  reading(provider: string, name: string): CatalogRegion | undefined {
    return this.#world.regions.find((each) => each.provider === provider && each.region === name);
  }

  named(list: readonly string[], provider: string, name: string): Way {
    const ways = list.map((reference) => this.#one(reference, provider, name));
    return ways.find((way) => way === 'placed') ?? ways.find((way) => way === 'bare');
  }

  #one(reference: string, provider: string, name: string): Way {
    const parsed = parseReference(reference);
    if (parsed.type === 'group') return this.#group(parsed.group, provider, name);
    const reading = this.reading(provider, name);
    if (this.#moment !== 'always' && !holds({ until: reading?.until }, this.#moment)) return undefined;
    if (parsed.type === 'name') return parsed.name === name ? 'bare' : undefined;
    return reading !== undefined && isMeant(reading, reference) ? 'placed' : undefined;
  }

  #group(group: string, provider: string, name: string): Way {
    const { members, exclude = [], terms = [] } = this.#world.groups[group] ?? { members: [] };
    if (new Reader(this.#world, 'always').named(exclude, provider, name) !== undefined) return undefined;
    const isMember = (member: string): boolean =>
      this.#moment === 'always' || holds(terms.find((term) => term.member === member) ?? {}, this.#moment);
    return this.named(members.filter(isMember), provider, name);
  }
}

const isMeant = ({ provider, region: name, country, partition }: CatalogRegion, reference: string): boolean =>
  [`${provider}/${name}`, `country:${country}`, `partition:${partition}`].includes(reference);

const anyCase = fc.record({
  world: anyWorld,
  references: fc.uniqueArray(anyReference(GROUPS), { minLength: 1, maxLength: 4 }),
  declared: fc.option(fc.constantFrom(...PROVIDERS, 'unlisted'), { nil: undefined }),
  observed: fc.subarray(PROVIDERS, { minLength: 1 }),
  day: fc.constantFrom('2026-06-01', '2027-06-01', '2028-06-01', '2029-06-01'),
});
type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never;

const resolverOf = ({ regions, groups }: World): RegionResolver => {
  const catalog: RegionCatalogSpec = { version: '1', regions: [...regions], groups: [] };
  return new RegionResolver(indexCatalog(catalog), new Map(Object.entries(groups)));
};

/** The names that a cluster allows on a day. */
const inForce = ({ world, references, declared, observed, day }: Case): readonly string[] => {
  const { regions, conflicts } = resolverOf(world).resolveAllowed(references, declared);
  return regionsInForce({ allowedRegions: [...regions], regionConflicts: [...conflicts] }, new Set(observed), Date.parse(day)).regions;
};

/** Readings of a name by the providers of the cluster that have it. */
const waysOf = ({ world, references, declared, observed, day }: Case, name: string) => {
  const reader = new Reader(world, day);
  return [...new Set([...observed, ...(declared === undefined ? [] : [declared])])].flatMap((provider) => {
    const reading = reader.reading(provider, name);
    return reading === undefined ? [] : [{ provider, country: reading.country, way: reader.named(references, provider, name) }];
  });
};

const isRefused = (ways: ReturnType<typeof waysOf>): boolean =>
  ways.some(({ way, country }) => way === undefined || (way === 'bare' && ways.some((other) => other.country !== country)));

it('puts no name inside that a provider of the cluster reads outside, or two read as different countries', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      const names = inForce(each);
      expect(FREE.filter((name) => names.includes(name) && isRefused(waysOf(each, name)))).toEqual([]);
    }),
  );
});

const timeless = ({ regions, groups }: World): World => ({
  regions: regions.map(({ until: _none, ...rest }) => rest),
  groups: Object.fromEntries(Object.entries(groups).map(([name, { terms: _none, ...group }]) => [name, group])),
});

it('puts each name inside that every provider of the cluster reads inside, where nothing ends', () => {
  fc.assert(
    fc.property(anyCase, ({ world, ...rest }) => {
      const each = { ...rest, world: timeless(world) };
      const names = inForce(each);
      const missing = FREE.filter((name) => {
        const ways = waysOf(each, name);
        const isKnown = ways.length > 0 && (each.declared === undefined || ways.some(({ provider }) => provider === each.declared));
        return isKnown && !isRefused(ways) && !names.includes(name);
      });
      expect(missing).toEqual([]);
    }),
  );
});

it('puts no name inside that nothing names', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      const reader = new Reader(each.world, 'always');
      const isNamed = (name: string): boolean =>
        [...PROVIDERS, 'unlisted'].some((provider) => reader.named(each.references, provider, name) !== undefined);
      expect(inForce(each).filter((name) => !isNamed(name))).toEqual([]);
    }),
  );
});

it('does not depend on the order of references, regions and groups', () => {
  fc.assert(
    fc.property(
      anyWorld,
      fc.uniqueArray(anyReference(GROUPS), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(undefined, ...PROVIDERS),
      (world, references, provider) => {
        const of = (regions: readonly CatalogRegion[], groups: readonly (readonly [string, GroupDefinition])[]) =>
          new RegionResolver(indexCatalog({ version: '1', regions: [...regions], groups: [] }), new Map(groups));
        const entries = Object.entries(world.groups);
        const there = of(world.regions, entries).resolve(references, provider);
        expect(of(world.regions.toReversed(), entries.toReversed()).resolve(references.toReversed(), provider)).toEqual(there);
      },
    ),
  );
});
