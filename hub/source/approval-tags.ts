import { byText } from '@fso/shared/encoding';
import { type Approvals, MAX_APPROVAL_TAGS, MAX_TAG_BYTES } from '@fso/shared/protocol';
import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import type { Logger } from '@fso/shared/runtime';
import type { Clone } from './git/clone.ts';
import { describeGitError } from './git/git-errors.ts';

/** Tags fetched in one go: each costs two requests, while the next commit waits. */
const FETCHED_AT_ONCE = 8;

/** Tags that let a commit skip waves: they may not keep its approvals away, nor these them. */
const MAX_IMMEDIATE = 4;

type NamedTag = Awaited<ReturnType<Clone['listTags']>>[number];

/** Short names first: those with a suffix may be of anyone who can push. */
const byLength = (left: NamedTag, right: NamedTag): number => left.name.length - right.name.length || byText(left.name, right.name);

/**
 * Signed tags about the commit that waits for them. Who waits judges them: here they are only
 * found, and bounded in number and size.
 */
export class ApprovalTags {
  readonly #clone: Pick<Clone, 'listTags' | 'fetchTag'>;
  readonly #logger: Logger;
  #wanted: () => string | null = () => null;
  #onChange: (revision: string) => void = () => undefined;
  /** Tag objects by id, base64; null: one that no agent would take. */
  #read: ReadonlyMap<string, string | null> = new Map();
  #approvals: Approvals | undefined;
  #problem = '';

  constructor(clone: Pick<Clone, 'listTags' | 'fetchTag'>, logger: Logger) {
    this.#clone = clone;
    this.#logger = logger;
  }

  /**
   * Follows the tags about a commit from the next fetch on.
   *
   * @param wanted asked at each fetch; null: nobody waits for tags
   * @param onChange called where the tags about a commit are others than before
   */
  follow(wanted: () => string | null, onChange: (revision: string) => void): void {
    this.#wanted = wanted;
    this.#onChange = onChange;
  }

  /** Tags about a commit; undefined: none are known, or another commit is followed. */
  of(revision: string): Approvals | undefined {
    return this.#approvals?.revision === revision ? this.#approvals : undefined;
  }

  /** Brings the tags up to date. A failure is logged, and stops no commit. */
  async sync(signal: AbortSignal): Promise<void> {
    const revision = this.#wanted();
    if (revision === null) {
      // What is not followed may have been revoked since.
      this.#approvals = undefined;
      return;
    }
    try {
      const tags = await this.#fetch(revision, signal);
      if (JSON.stringify(tags) === JSON.stringify(this.of(revision)?.tags ?? [])) return;
      this.#approvals = { type: 'approvals', revision, tags: [...tags] };
      this.#logger.info({ revision, tags: tags.length }, 'tags about a commit have changed');
      this.#onChange(revision);
    } catch (err) {
      if (!signal.aborted) this.#noteProblem(describeGitError(err, 'of approvals'));
    }
  }

  #noteProblem(problem: string): void {
    if (problem !== this.#problem) this.#logger.warn({ reason: problem }, 'tags of approvals cannot be fetched');
    this.#problem = problem;
  }

  async #fetch(revision: string, signal: AbortSignal): Promise<readonly string[]> {
    const revoked = await this.#clone.listTags(revocationTag(revision, ''), signal);
    const approved = await this.#clone.listTags(approvalTag(revision, ''), signal);
    const immediate = await this.#clone.listTags(immediateTag(revision), signal);
    const half = MAX_APPROVAL_TAGS / 2;
    const given = [...immediate.toSorted(byLength).slice(0, MAX_IMMEDIATE), ...approved.toSorted(byLength)];
    const wanted = [...revoked.toSorted(byLength).slice(0, half), ...given.slice(0, half)];
    const read = new Map<string, string | null>();
    let fetched = 0;
    for (const { name, id } of wanted) {
      const known = this.#read.get(id);
      if (known === undefined && fetched === FETCHED_AT_ONCE) continue;
      if (known === undefined) fetched += 1;
      const tag = known === undefined ? await this.#readTag(name, id, signal) : known;
      if (tag !== undefined) read.set(id, tag);
    }
    this.#read = read;
    return [...read.values()].filter((tag) => tag !== null);
  }

  /** @returns undefined: it cannot be fetched now, which keeps none of the others away */
  async #readTag(name: string, id: string, signal: AbortSignal): Promise<string | null | undefined> {
    try {
      const data = await this.#clone.fetchTag(name, id, signal);
      if (data !== undefined && data.byteLength <= MAX_TAG_BYTES) return Buffer.from(data).toString('base64');
      this.#logger.warn({ tag: name, bytes: data?.byteLength ?? null }, 'tag is too large, or names no tag object: it is left out');
      return null;
    } catch (err) {
      signal.throwIfAborted();
      this.#noteProblem(describeGitError(err, name));
      return undefined;
    }
  }
}
