import { byText } from '@fso/shared/encoding';
import { type Approvals, MAX_APPROVAL_TAGS, MAX_TAG_BYTES } from '@fso/shared/protocol';
import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import { type Backoff, createBackoff, type Runtime } from '@fso/shared/runtime';
import type { Clone } from './git/clone.ts';
import { describeGitError } from './git/git-errors.ts';

/** Tags fetched in one go: each costs two requests, while the next commit waits. */
const FETCHED_AT_ONCE = 8;
/** Waits before a tag that cannot be fetched is tried again, in milliseconds. */
const RETRY = { baseMs: 20_000, minMs: 10_000, maxMs: 600_000 };
/** Problems that are shown to people. */
const SHOWN = 8;

/** Tags that let a commit skip waves: they may not keep its approvals away, nor these them. */
const MAX_IMMEDIATE = 4;

type NamedTag = Awaited<ReturnType<Clone['listTags']>>[number];

/** A tag that could not be fetched. */
interface FailedTag {
  readonly name: string;
  readonly backoff: Backoff;
  /** Monotonic time from which on it is tried again, in milliseconds. */
  readonly until: number;
  readonly problem: string;
}

/** A tag object, base64; null: one that no agent would take. */
type ReadTag = string | null | FailedTag;

const isFailed = (tag: ReadTag): tag is FailedTag => typeof tag === 'object' && tag !== null;

/** Short names first: those with a suffix may be of anyone who can push. */
const byLength = (left: NamedTag, right: NamedTag): number => left.name.length - right.name.length || byText(left.name, right.name);

/**
 * Signed tags about the commit that waits for them. Who waits judges them: here they are only
 * found, and bounded in number and size.
 */
export class ApprovalTags {
  readonly #clone: Pick<Clone, 'listTags' | 'fetchTag'>;
  readonly #runtime: Runtime;
  #wanted: () => string | null = () => null;
  #onChange: (revision: string) => void = () => undefined;
  /** Tags by id. One that failed waits on its own, and takes no turn of the others meanwhile. */
  #read: ReadonlyMap<string, ReadTag> = new Map();
  #approvals: Approvals | undefined;
  /** Commit that was followed last. */
  #revision: string | null = null;
  /** Reason why tags cannot be listed now; undefined: they can. */
  #problem: string | undefined;

  constructor(clone: Pick<Clone, 'listTags' | 'fetchTag'>, runtime: Runtime) {
    this.#clone = clone;
    this.#runtime = runtime;
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

  /** Reasons why tags about a commit are not known, the first few. */
  problemsOf(revision: string): readonly string[] {
    if (this.#revision !== revision) return [];
    const failed = [...this.#read.values()].filter(isFailed).map(({ problem }) => problem);
    return [...(this.#problem === undefined ? [] : [this.#problem]), ...failed].slice(0, SHOWN);
  }

  /**
   * Whether a revocation about a commit is there that could not be fetched: until it is read, what
   * it revokes may not count.
   */
  hasUnreadRevocation(revision: string): boolean {
    return [...this.#read.values()].some((tag) => isFailed(tag) && tag.name.startsWith(revocationTag(revision, '')));
  }

  /** Brings the tags up to date. A failure is logged, and stops no commit. */
  async sync(signal: AbortSignal): Promise<void> {
    const { logger } = this.#runtime;
    const revision = this.#wanted();
    if (revision !== this.#revision) this.#read = new Map();
    this.#revision = revision;
    if (revision === null) {
      // What is not followed may have been revoked since.
      this.#approvals = undefined;
      return;
    }
    try {
      const tags = await this.#fetch(revision, signal);
      this.#problem = undefined;
      if (JSON.stringify(tags) === JSON.stringify(this.of(revision)?.tags ?? [])) return;
      this.#approvals = { type: 'approvals', revision, tags: [...tags] };
      logger.info({ revision, tags: tags.length }, 'tags about a commit have changed');
      this.#onChange(revision);
    } catch (err) {
      if (signal.aborted) return;
      const problem = `the hub cannot list tags: ${describeGitError(err, 'of approvals')}`;
      if (problem !== this.#problem) logger.warn({ reason: problem }, 'tags of approvals cannot be listed');
      this.#problem = problem;
    }
  }

  async #fetch(revision: string, signal: AbortSignal): Promise<readonly string[]> {
    const revoked = await this.#clone.listTags(revocationTag(revision, ''), signal);
    const approved = await this.#clone.listTags(approvalTag(revision, ''), signal);
    const immediate = await this.#clone.listTags(immediateTag(revision), signal);
    const half = MAX_APPROVAL_TAGS / 2;
    const given = [...immediate.toSorted(byLength).slice(0, MAX_IMMEDIATE), ...approved.toSorted(byLength)];
    const wanted = [...revoked.toSorted(byLength).slice(0, half), ...given.slice(0, half)];
    const read = new Map<string, ReadTag>();
    let fetched = 0;
    for (const { name, id } of wanted) {
      const known = this.#read.get(id);
      const isFetched = fetched < FETCHED_AT_ONCE && this.#isDue(known);
      if (isFetched) fetched += 1;
      const tag = isFetched ? await this.#readTag(name, id, signal) : known;
      if (tag !== undefined) read.set(id, tag);
    }
    this.#read = read;
    return [...read.values()].filter((tag) => typeof tag === 'string');
  }

  #isDue(known: ReadTag | undefined): boolean {
    return known === undefined || (isFailed(known) && known.until <= this.#runtime.clock.monotonicMs());
  }

  /** @returns how it failed, which keeps none of the others away */
  async #readTag(name: string, id: string, signal: AbortSignal): Promise<ReadTag> {
    const { clock, random, logger } = this.#runtime;
    try {
      const data = await this.#clone.fetchTag(name, id, signal);
      if (data !== undefined && data.byteLength <= MAX_TAG_BYTES) return Buffer.from(data).toString('base64');
      logger.warn({ tag: name, bytes: data?.byteLength ?? null }, 'tag is too large, or names no tag object: it is left out');
      return null;
    } catch (err) {
      signal.throwIfAborted();
      const before = this.#read.get(id) ?? null;
      const backoff = isFailed(before) ? before.backoff : createBackoff({ ...RETRY, random });
      const retryInMs = backoff.next();
      const reason = describeGitError(err, name);
      logger.warn({ tag: name, reason, attempt: backoff.failures, retryInMs }, 'tag cannot be fetched');
      return {
        name,
        backoff,
        until: clock.monotonicMs() + retryInMs,
        problem: `the hub cannot fetch tag ${name}: ${reason}`.slice(0, 512),
      };
    }
  }
}
