import type { RegionConflict } from '../api/index.ts';
import { groupBy } from '../encoding/group-by.ts';
import type { CatalogIndex, Reading } from './catalog-index.ts';
import { conflictsOf } from './conflicts.ts';
import { addBareName, addReadings, addTable, type MutableTable, type NameTable, subtract, type Term } from './membership.ts';
import { parseReference } from './reference.ts';

/** Named list of references, defined in a repository or its catalogue. */
export interface GroupDefinition {
  readonly members: readonly string[];
  readonly exclude?: readonly string[] | undefined;
  /** Terms of members that join or leave the group. */
  readonly terms?: readonly (Term & { readonly member: string })[] | undefined;
}

/** Region names that references resolve to in a cluster. */
export interface ResolvedRegions {
  /** Sorted, without duplicates. */
  readonly regions: readonly string[];
  /** Sorted; empty without a catalogue. */
  readonly conflicts: readonly RegionConflict[];
}

/** Most names that all lists of a repository may resolve to together. More would take seconds. */
const MAX_WORK = 4_000_000;
/** Most names that its groups may resolve to together. They stay in memory. */
const MAX_GROUP_NAMES = 1_000_000;

/** Deepest nesting of groups. */
export const MAX_GROUP_DEPTH = 16;

const EMPTY: NameTable = new Map();

/**
 * Resolves references to region names, with the catalogue and the groups of one commit. Unknown
 * references resolve to nothing, so that a typo never widens a policy. Equal results are one
 * object.
 */
export class RegionResolver {
  readonly catalog: CatalogIndex | undefined;
  /** Groups by name. Groups of the repository take precedence over those of its catalogue. */
  readonly groups: ReadonlyMap<string, GroupDefinition>;
  readonly #groupTables = new Map<string, NameTable>();
  readonly #resolved = new Map<string, ResolvedRegions>();
  readonly #equal = new Map<string, ResolvedRegions>();
  readonly #byCountry: ReadonlyMap<string, readonly Reading[]>;
  readonly #byPartition: ReadonlyMap<string, readonly Reading[]>;
  #work = 0;
  #groupNames = 0;

  constructor(catalog: CatalogIndex | undefined, own: ReadonlyMap<string, GroupDefinition>) {
    this.catalog = catalog;
    this.groups = new Map([...(catalog?.spec.groups ?? []).map((group) => [group.name, group] as const), ...own]);
    const readings = [...(catalog?.providers.values() ?? [])].flatMap((names) => [...names.values()]);
    this.#byCountry = groupBy(readings, ({ country }) => country);
    this.#byPartition = groupBy(readings, ({ region }) => region.partition);
  }

  /** Whether the lists resolved so far have more names than a repository may have. */
  get isExhausted(): boolean {
    return this.#work > MAX_WORK || this.#groupNames > MAX_GROUP_NAMES;
  }

  hasPartition(partition: string): boolean {
    return this.#byPartition.has(partition);
  }

  /**
   * Resolves references for clusters of a provider.
   *
   * @param provider provider of the cluster's registration; if undefined, the names of every
   * provider count
   */
  resolve(references: readonly string[], provider?: string): ResolvedRegions {
    const key = `${provider ?? ''}\n${references.join('\n')}`;
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const table = this.#tableOf({ members: references }, []);
    const resolved = this.#shared(conflictsOf(table, this.catalog, provider));
    this.#resolved.set(key, resolved);
    return resolved;
  }

  /**
   * Resolves the allowed regions of a policy, which must not be empty. If the provider has none of
   * the regions, the result has all names and a conflict that always applies, so nothing may run.
   */
  resolveAllowed(references: readonly string[], provider?: string): ResolvedRegions {
    const resolved = this.resolve(references, provider);
    if (resolved.regions.length > 0) return resolved;
    const { regions } = this.resolve(references);
    return this.#shared({ regions, conflicts: [{ providers: [], regions: [...regions] }] });
  }

  #shared(resolved: ResolvedRegions): ResolvedRegions {
    const text = JSON.stringify(resolved);
    const equal = this.#equal.get(text) ?? resolved;
    this.#equal.set(text, equal);
    return equal;
  }

  #tableOf({ members, exclude = [], terms = [] }: GroupDefinition, within: readonly string[]): NameTable {
    const table: MutableTable = new Map();
    const termsOf = new Map(terms.map(({ member, since, until }) => [member, { since, until }]));
    for (const member of new Set(members)) {
      if (this.isExhausted) break;
      this.#work += this.#add(table, member, termsOf.get(member) ?? {}, within);
    }
    if (exclude.length > 0) subtract(table, this.#tableOf({ members: exclude }, within));
    return table;
  }

  /** @returns the work done */
  #add(table: MutableTable, member: string, term: Term, within: readonly string[]): number {
    const reference = parseReference(member);
    switch (reference.type) {
      case 'name': {
        const readings = this.catalog?.names.get(reference.name) ?? [];
        return addBareName(table, reference.name, term) + addReadings(table, readings, term, true);
      }
      case 'region': {
        const reading = this.catalog?.providers.get(reference.provider)?.get(reference.name);
        return reading === undefined ? 0 : addReadings(table, [reading], term, false);
      }
      case 'country':
        return addReadings(table, this.#byCountry.get(reference.country) ?? [], term, false);
      case 'partition':
        return addReadings(table, this.#byPartition.get(reference.partition) ?? [], term, false);
      case 'group':
        return addTable(table, this.#groupTable(reference.group, within), term);
    }
  }

  /** Names of a group; empty for a group that contains itself, which no valid commit has. */
  #groupTable(name: string, within: readonly string[]): NameTable {
    const known = this.#groupTables.get(name);
    if (known !== undefined) return known;
    const group = this.groups.get(name);
    if (group === undefined || within.includes(name) || within.length > MAX_GROUP_DEPTH) return EMPTY;
    const table = this.#tableOf(group, [...within, name]);
    this.#groupTables.set(name, table);
    this.#groupNames += table.size;
    return table;
  }
}
