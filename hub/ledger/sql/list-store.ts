import type { Clock } from '@fso/shared/runtime';
import type { LedgerCache } from '../ledger-cache.ts';
import { findRelisted, type ListedNames, listIn, type NewList, type PolicyList, type PolicyLists } from '../policies/index.ts';
import type { Desired } from '../types.ts';
import type { ChangeInput } from '../writes.ts';
import type { Database } from './database.ts';
import { forgetListRow, readList } from './policy-lists.ts';

interface ListStoreParts {
  readonly lists: PolicyLists;
  readonly reads: Database['reads'];
  readonly cache: Pick<LedgerCache, 'get' | 'clusters'>;
  readonly clock: Clock;
  /** Resolves once a change is durable. */
  readonly submit: (change: ChangeInput) => Promise<void>;
}

/**
 * Time for which a list that is not stored counts as missing for a cluster that names it, in
 * milliseconds.
 */
const MISSING_MS = 60_000;
/**
 * Time between two look-ups for one cluster that find nothing, in milliseconds: an agent can name
 * any number of lists.
 */
const PAUSE_MS = 1_000;

interface Lookup {
  /** Monotonic, ms. */
  readonly at: number;
  /** The list that is not stored; absent: that is not known, or not yet. */
  readonly missing?: string;
}

/** The lists of a ledger, in memory and in the database. */
export class ListStore {
  readonly #parts: ListStoreParts;
  /** The last look-up for each cluster that did not find its list. */
  readonly #lookups = new Map<string, Lookup>();

  constructor(parts: ListStoreParts) {
    this.#parts = parts;
  }

  /**
   * A list that a cluster names, wherever it is; undefined: it is not known, or another one was
   * looked up for the cluster just now.
   */
  async find(digest: string, cluster: string): Promise<PolicyList | undefined> {
    const { lists, reads, clock } = this.#parts;
    const known = lists.get(digest);
    // Of a list that an agent has named more may be stored.
    if (known?.isNamed === false || !this.#mayLookUp(digest, cluster)) return known;
    this.#lookups.set(cluster, { at: clock.monotonicMs() });
    const found = await readList(reads, digest, lists);
    if (found?.isNamed !== false) {
      this.#lookups.set(cluster, { at: clock.monotonicMs(), missing: digest });
      return found;
    }
    this.#lookups.delete(cluster);
    // Of others that have it, and of which that could not be read.
    await this.#relist();
    return found;
  }

  /**
   * Takes the lists of a commit in. Resolves once the new ones are stored, and the clusters that
   * have them read so.
   */
  async takeCommit(next: Desired): Promise<void> {
    const { lists, cache } = this.#parts;
    const added = lists.takeCommit(next, (cluster) => listIn(cache.get(cluster)));
    await Promise.all([...added.map((list) => this.#store(list)), this.#relist()]);
  }

  /**
   * Takes a list in as an agent has named it. It is not stored: a hub that starts asks again, and
   * an agent can name any number of lists.
   *
   * @returns whether what was named is of this list
   */
  async takeListed(digest: string, named: ListedNames): Promise<boolean> {
    const isTheirs = this.#parts.lists.takeListed(digest, named) !== undefined;
    if (isTheirs) await this.#relist();
    return isTheirs;
  }

  #mayLookUp(digest: string, cluster: string): boolean {
    const last = this.#lookups.get(cluster);
    if (last === undefined) return true;
    return this.#parts.clock.monotonicMs() - last.at >= (last.missing === digest ? MISSING_MS : PAUSE_MS);
  }

  async #store(added: NewList): Promise<void> {
    const { lists, submit } = this.#parts;
    try {
      await submit({ type: 'list', list: added });
    } catch (error) {
      forgetListRow(added.list);
      lists.forget(added.list);
      throw error;
    }
  }

  async #relist(): Promise<void> {
    const { lists, cache, submit } = this.#parts;
    await Promise.all(findRelisted(cache.clusters(), lists).map((cluster) => submit({ type: 'relist', cluster })));
  }
}
