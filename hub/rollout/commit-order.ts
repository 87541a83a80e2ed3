import type { Source } from '../source/index.ts';

/** Part of the source that knows the order of commits. */
export type OrderedSource = Pick<Source, 'read' | 'hint' | 'state'> & { readonly objects: Pick<Source['objects'], 'chain'> };

/** Part of the source that a rollout reads. */
export type RolloutSource = OrderedSource & { readonly approvals: Pick<Source['approvals'], 'problemsOf'> };

/** State of the source when its newest commit was compared with that of a run. */
interface Lag {
  readonly key: string;
  readonly isBehind: boolean;
  readonly lastFetch: string | null;
}

/** Distinguishes a source that has yet to fetch the commit of a run from a rewritten branch. */
export class CommitOrder {
  readonly #source: OrderedSource;
  #lag: Lag | undefined;

  constructor(source: OrderedSource) {
    this.#source = source;
  }

  /**
   * Whether the commit of a run is newer than the newest commit of the source. If so, asks the
   * source to fetch. If a later fetch neither brings nor rejects a commit, the branch was
   * rewritten, and the result is false.
   */
  async isBehind(newest: string, ofRun: string): Promise<boolean> {
    const { lastFetch, rejected } = this.#source.state();
    const key = `${newest} ${ofRun}`;
    if (this.#lag?.key !== key) this.#lag = { key, lastFetch, isBehind: await this.#isOlder(newest, ofRun) };
    const { isBehind, lastFetch: before } = this.#lag;
    if (!isBehind || (before !== lastFetch && rejected === null)) return false;
    this.#source.hint();
    return true;
  }

  async #isOlder(newest: string, ofRun: string): Promise<boolean> {
    if (newest === ofRun) return false;
    if ((await this.#source.read(ofRun)) === undefined) return true;
    const { objects } = this.#source;
    const descends = async (from: string, to: string) => (await objects.chain(from, to).catch(() => null)) !== null;
    // The common case first, as its walk is short: the newest commit is a child of the other one.
    return !(await descends(ofRun, newest)) && descends(newest, ofRun);
  }
}
