import { byText } from '@fso/shared/encoding';
import { type Approvals, MAX_APPROVAL_TAGS, MAX_TAG_BYTES } from '@fso/shared/protocol';
import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import { type Backoff, createBackoff, type Runtime } from '@fso/shared/runtime';
import type { Clone } from './git/clone.ts';
import { describeGitError } from './git/git-errors.ts';

/**
 * Most tags that one sync fetches: each takes two requests, and the next commit waits meanwhile.
 */
const FETCHED_AT_ONCE = 8;
/** Backoff of a tag that cannot be fetched, in milliseconds. */
const RETRY = { baseMs: 20_000, minMs: 10_000, maxMs: 600_000 };
/** Most problems that are shown. */
const SHOWN = 8;

/** Most tags that let a commit skip waves, so that they and its approvals leave each other room. */
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

/** A tag object in base64; null if no agent would accept it. */
type ReadTag = string | null | FailedTag;

const isFailed = (tag: ReadTag): tag is FailedTag => typeof tag === 'object' && tag !== null;

/** Sorts short names first, as anyone who can push may add tags with a suffix. */
const byLength = (left: NamedTag, right: NamedTag): number => left.name.length - right.name.length || byText(left.name, right.name);

/**
 * Finds signed tags about the commit that waits for them, and bounds their number and size. The hub
 * and the agents that wait judge them.
 */
export class ApprovalTags {
  readonly #clone: Pick<Clone, 'listTags' | 'fetchTag'>;
  readonly #runtime: Runtime;
  #wanted: () => string | null = () => null;
  #onChange: (revision: string) => void = () => undefined;
  /** Tags by id. A failed one has a backoff of its own, and does not delay the others. */
  #read: ReadonlyMap<string, ReadTag> = new Map();
  #approvals: Approvals | undefined;
  /** Commit that was followed last. */
  #revision: string | null = null;
  /** Reason why tags cannot be listed now; undefined if they can. */
  #problem: string | undefined;

  constructor(clone: Pick<Clone, 'listTags' | 'fetchTag'>, runtime: Runtime) {
    this.#clone = clone;
    this.#runtime = runtime;
  }

  /**
   * Follows the tags about a commit from the next fetch on.
   *
   * @param wanted returns the commit that waits for tags, or null; called at each fetch
   * @param onChange called when the tags about a commit have changed
   */
  follow(wanted: () => string | null, onChange: (revision: string) => void): void {
    this.#wanted = wanted;
    this.#onChange = onChange;
  }

  /** Tags about a commit; undefined if none are known, or another commit is followed. */
  of(revision: string): Approvals | undefined {
    return this.#approvals?.revision === revision ? this.#approvals : undefined;
  }

  /** The first few reasons why tags about a commit are not known. */
  problemsOf(revision: string): readonly string[] {
    if (this.#revision !== revision) return [];
    const failed = [...this.#read.values()].filter(isFailed).map(({ problem }) => problem);
    return [...(this.#problem === undefined ? [] : [this.#problem]), ...failed].slice(0, SHOWN);
  }

  /**
   * Whether a commit has a revocation that could not be fetched. Until it is read, what it may
   * revoke must not count.
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
      // Without following them, tags may be revoked unnoticed.
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

  /** Fetches a tag. A failure is returned and not thrown, so that it does not stop the others. */
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
