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
  /** Submits a change; resolves once it is durable. */
  readonly submit: (change: ChangeInput) => Promise<void>;
}

/** Time for which a list that was not found counts as missing for a cluster, in milliseconds. */
const MISSING_MS = 60_000;
/**
 * Pause after a lookup for a cluster that found nothing, in milliseconds. An agent can name any
 * number of lists.
 */
const PAUSE_MS = 1_000;

interface Lookup {
  /** Monotonic time in milliseconds. */
  readonly at: number;
  /** Digest of the list that was not found; undefined: the lookup is running or failed. */
  readonly missing?: string;
}

/** Policy lists of a ledger, in memory and in the database. */
export class ListStore {
  readonly #parts: ListStoreParts;
  /** Last lookup of each cluster that found no list. */
  readonly #lookups = new Map<string, Lookup>();

  constructor(parts: ListStoreParts) {
    this.#parts = parts;
  }

  /**
   * Finds a list that a cluster names, in memory or in the database.
   *
   * @returns undefined: unknown, or the last lookup for this cluster was too recent
   */
  async find(digest: string, cluster: string): Promise<PolicyList | undefined> {
    const { lists, reads, clock } = this.#parts;
    const known = lists.get(digest);
    // The database may have the whole of a list that an agent named.
    if (known?.isNamed === false || !this.#mayLookUp(digest, cluster)) return known;
    this.#lookups.set(cluster, { at: clock.monotonicMs() });
    const found = await readList(reads, digest, lists);
    if (found?.isNamed !== false) {
      this.#lookups.set(cluster, { at: clock.monotonicMs(), missing: digest });
      return found;
    }
    this.#lookups.delete(cluster);
    // Other records may name the same list, or one that builds on it.
    await this.#relist();
    return found;
  }

  /**
   * Adds the lists of a commit. Resolves once new lists are stored and the records of their
   * clusters use them.
   */
  async takeCommit(next: Desired): Promise<void> {
    const { lists, cache } = this.#parts;
    const added = lists.takeCommit(next, (cluster) => listIn(cache.get(cluster)));
    await Promise.all([...added.map((list) => this.#store(list)), this.#relist()]);
  }

  /**
   * Adds a list that an agent named. It is not stored: a restarted hub asks again, and an agent can
   * name any number of lists.
   *
   * @returns whether the digest matches the policies
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
