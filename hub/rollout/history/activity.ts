import { type Runtime, Wakeup } from '@fso/shared/runtime';
import type { ClusterRecord, FleetState, Journal, Lease } from '../../ledger/index.ts';
import type { HubMetrics } from '../../metrics.ts';
import type { RejectedRevision, SourceRevision } from '../../source/index.ts';
import type { CommitTracer } from './commit-tracer.ts';
import type { RolloutEntry, RolloutRecord } from './rollout-record.ts';
import { readRollouts } from './rollout-store.ts';
import { type AcceptedCommit, type RecordedStep, RolloutTracker } from './rollout-tracker.ts';
import { RolloutWriter } from './rollout-writer.ts';

/** A commit that the source has accepted or rejected. */
type PendingCommit =
  | { readonly kind: 'accepted'; readonly accepted: AcceptedCommit }
  | { readonly kind: 'rejected'; readonly rejected: RejectedRevision };

/**
 * Most commits that a hub keeps in case it begins to lead; each holds the policies of its commit.
 */
const PENDING_KEPT = 50;
/** Time within which all hubs on one database notice a commit, in milliseconds. */
const SAME_COMMIT_MS = 60_000;

const revisionOf = (pending: PendingCommit): Pick<RejectedRevision, 'commit' | 'times'> =>
  pending.kind === 'accepted' ? pending.accepted.revision : pending.rejected;

/**
 * The commits of the source that no hub has recorded yet, oldest first, while this hub does not
 * lead.
 */
class PendingCommits {
  #commits: readonly PendingCommit[] = [];

  /** Adds a commit, unless it repeats the refusal before it. */
  add(next: PendingCommit, newest: RolloutRecord | undefined): void {
    const last = this.#commits.at(-1);
    const isRepeated =
      last?.kind === 'rejected' && next.kind === 'rejected' && last.rejected.commit.revision === next.rejected.commit.revision;
    if (!isRepeated) this.#commits = [...this.#commits, next].slice(-PENDING_KEPT);
    this.#commits = this.#unrecorded(newest);
  }

  /**
   * Empties the list.
   *
   * @returns the commits that are newer than the newest one that any hub has recorded
   */
  take(newest: RolloutRecord | undefined): readonly PendingCommit[] {
    const taken = this.#unrecorded(newest);
    this.#commits = [];
    return taken;
  }

  #unrecorded(newest: RolloutRecord | undefined): readonly PendingCommit[] {
    if (newest === undefined) return this.#commits;
    const recordedAt = Date.parse(newest.noticed);
    const known = this.#commits.findLastIndex((pending) => {
      const { commit, times } = revisionOf(pending);
      return commit.revision === newest.commit.revision && Math.abs(Date.parse(times.noticed) - recordedAt) < SAME_COMMIT_MS;
    });
    return this.#commits.slice(known + 1).filter((pending) => revisionOf(pending).times.noticed > newest.noticed);
  }
}

/** Parts of the hub that the record of commits reads and writes. */
export interface ActivityDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: FleetState & Pick<Journal, 'records' | 'audit'> & Pick<Lease, 'leads' | 'onLead'>;
  readonly metrics: HubMetrics['rollout'];
  /** Whether commits go out in waves, so that their durations are not measured. Default: no. */
  readonly inWaves?: () => boolean;
  /** Makes spans of the rollouts. Absent: nothing is traced. */
  readonly tracer?: CommitTracer | undefined;
}

/**
 * Delay of a write in milliseconds, so that the first steps, which follow each other quickly, are
 * written together.
 */
const GATHER_MS = 30;
/** Pause after a write, in milliseconds. */
const EVERY_MS = 1_000;
/**
 * Longest time between two checks, in milliseconds: they retry failed writes, and notice that
 * clusters did not come back.
 */
const CHECK_MS = 5_000;
/**
 * Time after a hub begins to lead, in milliseconds, in which clusters that were seen before count
 * as connected: their agents may be reconnecting.
 */
const RETURN_MS = 15_000;

/** Names of the clusters that the enforcement of a commit waits for. */
const countingOf = async (ledger: FleetState, isReturning: boolean): Promise<readonly string[]> =>
  (await ledger.clusters()).flatMap(({ name, connected, lastSeen }) => (connected || (isReturning && lastSeen !== null) ? [name] : []));

/**
 * Follows commits through the steps of the hub and of the clusters. The leading hub records them;
 * the others keep the commits until they lead.
 */
export class Activity {
  readonly #deps: ActivityDeps;
  readonly #wakeup = new Wakeup();
  readonly #tracker: RolloutTracker;
  readonly #writer: RolloutWriter;
  readonly #pending = new PendingCommits();
  #accepted: AcceptedCommit | undefined;
  #loaded: boolean = false;
  #returnEnds = 0;
  /** Milliseconds since 1970. */
  #ledSince = 0;

  constructor(deps: ActivityDeps) {
    const { ledger, logger, metrics } = deps;
    this.#deps = deps;
    const inWaves = deps.inWaves ?? (() => false);
    this.#tracker = new RolloutTracker({
      enforced: (ms) => void (inWaves() || metrics.enforced(ms / 1000)),
      proven: (ms) => void (inWaves() || metrics.proven(ms / 1000)),
    });
    this.#writer = new RolloutWriter({ ledger, logger, onMore: () => this.#wakeup.wake() });
    ledger.onLead(() => this.#load());
    ledger.subscribe((change) => {
      if (change.kind !== 'cluster' || !this.#leads()) return;
      // A cluster that connects or goes changes for which clusters the enforcement of a commit
      // waits.
      if (this.#tracker.isWaiting()) this.#wakeup.wake();
      this.#noteOne(change.cluster).catch((error: unknown) => this.#failed(error));
    });
  }

  take(revision: SourceRevision): void {
    const accepted = { revision, before: this.#accepted?.revision.set, steps: { released: null, compiled: null } };
    this.#accepted = accepted;
    this.#receive({ kind: 'accepted', accepted });
  }

  reject(rejected: RejectedRevision): void {
    this.#receive({ kind: 'rejected', rejected });
  }

  /** Notes that this hub has finished a step of the commit that it accepted last. */
  done(step: RecordedStep, revision: string): void {
    const accepted = this.#accepted;
    if (accepted?.revision.commit.revision !== revision) return;
    const time = this.#deps.clock.now().toISOString();
    accepted.steps[step] = time;
    if (this.#leads()) this.#changed(this.#tracker.step(step, revision, time));
  }

  /** Writes rollouts until aborted, and then those that are left. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      await this.#wakeup.waitAtMost(CHECK_MS, clock, signal).catch(() => undefined);
      await clock.sleep(GATHER_MS, signal).catch(() => undefined);
      await this.#judgeSafely();
      if (this.#leads()) this.#writer.begin();
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
    await this.#judgeSafely();
    if (this.#leads()) this.#writer.finish();
  }

  #leads(): boolean {
    this.#loaded &&= this.#deps.ledger.leads();
    return this.#loaded;
  }

  #changed(entries: readonly RolloutEntry[]): void {
    if (entries.length === 0) return;
    this.#writer.add(entries);
    this.#wakeup.wake();
  }

  #failed(err: unknown): void {
    this.#deps.logger.error({ err }, 'progress of commits cannot be followed');
  }

  async #noteAll(): Promise<void> {
    const { ledger } = this.#deps;
    try {
      for (const record of await ledger.clusters()) this.#note(record);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #noteOne(cluster: string): Promise<void> {
    const record = await this.#deps.ledger.cluster(cluster);
    if (record !== null) this.#note(record);
  }

  #note(record: ClusterRecord): void {
    if (!this.#leads()) return;
    const entries = this.#tracker.note(record, this.#now());
    for (const entry of entries) this.#deps.tracer?.answered(entry, record.name, this.#ledSince);
    this.#changed(entries);
  }

  #now(): number {
    return this.#deps.clock.now().getTime();
  }

  #trace(entries: readonly RolloutEntry[], counting: readonly string[]): void {
    const { tracer, inWaves = () => false } = this.#deps;
    const fleet = { counting, isInWaves: inWaves(), now: this.#now(), ledSince: this.#ledSince };
    for (const entry of entries) tracer?.follow(entry, fleet);
  }

  #follow(next: PendingCommit): void {
    const entries = next.kind === 'accepted' ? this.#tracker.begin(next.accepted) : this.#tracker.refuse(next.rejected);
    this.#changed(entries);
    this.#trace(entries, []);
    if (next.kind === 'accepted' && entries.length > 0) void this.#noteAll();
  }

  #receive(next: PendingCommit): void {
    if (this.#leads()) this.#follow(next);
    else this.#pending.add(next, readRollouts(this.#deps.ledger.records)[0]);
  }

  #load(): void {
    const rollouts = readRollouts(this.#deps.ledger.records);
    this.#writer.replace(this.#tracker.restore(rollouts, this.#writer.unwritten()));
    this.#loaded = true;
    this.#ledSince = this.#now();
    this.#returnEnds = this.#deps.clock.monotonicMs() + RETURN_MS;
    // No hub has recorded these: the leading one ended before, or the database was unavailable.
    for (const each of this.#pending.take(rollouts[0])) this.#follow(each);
    void this.#noteAll();
    this.#wakeup.wake();
  }

  async #judgeSafely(): Promise<void> {
    await this.#judge().catch((error: unknown) => this.#failed(error));
  }

  async #judge(): Promise<void> {
    const { ledger, clock, logger } = this.#deps;
    if (!this.#leads() || !this.#tracker.isWaiting()) return;
    const counting = await countingOf(ledger, clock.monotonicMs() < this.#returnEnds);
    if (!this.#leads()) return;
    const { current } = this.#tracker;
    const enforced = this.#tracker.judge(counting);
    if (current !== undefined) this.#trace([current], counting);
    this.#writer.add(enforced);
    for (const { rollout } of enforced) {
      const durationMs = Date.parse(rollout.enforced ?? '') - Date.parse(rollout.noticed);
      logger.info({ revision: rollout.commit.revision, clusters: counting.length, durationMs }, 'revision enforced');
    }
  }
}
