import type { ChangeInput } from '../changes.ts';
import type { LedgerCache } from '../ledger-cache.ts';
import { findRelisted, type ListedNames, listIn, type NewList, type PolicyList, type PolicyLists } from '../policies/index.ts';
import type { Desired } from '../types.ts';
import type { Database } from './database.ts';
import { forgetListRow, readList } from './policy-lists.ts';

interface ListStoreParts {
  readonly lists: PolicyLists;
  readonly reads: Database['reads'];
  readonly cache: Pick<LedgerCache, 'get' | 'clusters'>;
  /** Resolves once a change is durable. */
  readonly submit: (change: ChangeInput) => Promise<void>;
}

/** The lists of a ledger, in memory and in the database. */
export class ListStore {
  readonly #parts: ListStoreParts;

  constructor(parts: ListStoreParts) {
    this.#parts = parts;
  }

  /** A list, wherever it is; undefined: it is not known. */
  async find(digest: string): Promise<PolicyList | undefined> {
    const { lists, reads } = this.#parts;
    const known = lists.get(digest);
    // Of a list that an agent has named more may be stored.
    return known?.isNamed === false ? known : ((await readList(reads, digest, lists)) ?? known);
  }

  /** Takes the lists of a commit in. Resolves once the new ones are stored, and the clusters that have them read so. */
  async takeCommit(next: Desired): Promise<void> {
    const { lists, cache } = this.#parts;
    const added = lists.takeCommit(next, (cluster) => listIn(cache.get(cluster)));
    await Promise.all([...added.map((list) => this.#store(list)), this.#relist()]);
  }

  /**
   * Takes a list in as an agent has named it. It is not stored: a hub that starts asks again, and an agent can name any number of lists.
   *
   * @returns whether what was named is of this list
   */
  async takeListed(digest: string, named: ListedNames): Promise<boolean> {
    const isTheirs = this.#parts.lists.takeListed(digest, named) !== undefined;
    if (isTheirs) await this.#relist();
    return isTheirs;
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
