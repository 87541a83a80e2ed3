import { type Clock, type Logger, Wakeup } from '@fso/shared/runtime';
import type { Ledger } from '../../ledger/index.ts';
import type { HubMetrics } from '../../metrics.ts';
import type { RejectedRevision, SourceRevision } from '../../source/index.ts';
import type { RolloutEntry, RolloutRecord } from './rollout-record.ts';
import { readRollouts } from './rollout-store.ts';
import { type AcceptedCommit, type HubStep, RolloutTracker } from './rollout-tracker.ts';
import { createRolloutWriter } from './rollout-writer.ts';

/** A commit that the source has accepted or rejected. */
type PendingCommit =
  | { readonly kind: 'accepted'; readonly accepted: AcceptedCommit }
  | { readonly kind: 'rejected'; readonly rejected: RejectedRevision };

/** Commits that this hub keeps in case it begins to lead; each holds the policies of its commit. */
const PENDING_KEPT = 50;
/** Hubs on one database notice a commit within this time of each other. */
const SAME_MS = 60_000;

const revisionOf = (pending: PendingCommit): Pick<RejectedRevision, 'commit' | 'times'> =>
  pending.kind === 'accepted' ? pending.accepted.revision : pending.rejected;

/** The commits of the source that no hub has recorded yet, oldest first, while this hub does not lead. */
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

  /** Empties the list. @returns the commits that are newer than the newest recorded one, whichever hub recorded it */
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
      return commit.revision === newest.commit.revision && Math.abs(Date.parse(times.noticed) - recordedAt) < SAME_MS;
    });
    return this.#commits.slice(known + 1).filter((pending) => revisionOf(pending).times.noticed > newest.noticed);
  }
}

/** Follows commits through the steps of this hub and of the clusters. Every hub does; the one that leads writes it down. */
export interface Activity {
  take(revision: SourceRevision): void;
  reject(rejected: RejectedRevision): void;
  /** This hub is done with a step of the commit that it accepted last. */
  done(step: HubStep, revision: string): void;
  /** Writes until aborted, and then the rest. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ActivityDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HubMetrics['rollout'];
}

/** So that the first steps, which follow each other at once, are written together. */
const GATHER_MS = 30;
const EVERY_MS = 1_000;
/** Time between two looks without news, for failed writes and for clusters that did not come back. */
const LOOK_MS = 5_000;
/** After a hub has begun to lead, clusters that were seen before count as connected for so long: their agents are on their way back. */
const RETURN_MS = 15_000;

/** Names of the clusters that the enforcement of a commit waits for. */
const countingOf = async (ledger: Ledger, isReturning: boolean): Promise<readonly string[]> =>
  (await ledger.clusters()).flatMap(({ name, connected, lastSeen }) => (connected || (isReturning && lastSeen !== null) ? [name] : []));

/** Follows the rollout of commits and keeps their records while this hub leads. */
export const createActivity = ({ ledger, clock, logger, metrics }: ActivityDeps): Activity => {
  const wakeup = new Wakeup();
  const tracker = new RolloutTracker({
    enforced: (ms) => metrics.enforced(ms / 1000),
    proven: (ms) => metrics.proven(ms / 1000),
  });
  const writer = createRolloutWriter({ ledger, logger, onMore: () => wakeup.wake() });
  let accepted: AcceptedCommit | undefined;
  const pending = new PendingCommits();
  let loaded = false;
  let returnEnds = 0;

  const leads = (): boolean => {
    loaded &&= ledger.leads();
    return loaded;
  };
  const changed = (entries: readonly RolloutEntry[]): void => {
    if (entries.length === 0) return;
    writer.add(entries);
    wakeup.wake();
  };
  const failed = (err: unknown): void => logger.error({ err }, 'activity of a commit not followed');

  const noteAll = async (): Promise<void> => {
    for (const record of await ledger.clusters()) if (leads()) changed(tracker.note(record, clock.now().getTime()));
  };
  const noteOne = async (cluster: string): Promise<void> => {
    const record = await ledger.cluster(cluster);
    if (record !== null && leads()) changed(tracker.note(record, clock.now().getTime()));
  };
  const follow = (next: PendingCommit): void => {
    const entries = next.kind === 'accepted' ? tracker.begin(next.accepted) : tracker.refuse(next.rejected);
    changed(entries);
    if (next.kind === 'accepted' && entries.length > 0) noteAll().catch(failed);
  };
  const listen = (next: PendingCommit): void => {
    if (leads()) follow(next);
    else pending.add(next, readRollouts(ledger.records)[0]);
  };

  const load = (): void => {
    const rollouts = readRollouts(ledger.records);
    writer.replace(tracker.restore(rollouts, writer.unwritten()));
    loaded = true;
    returnEnds = clock.monotonicMs() + RETURN_MS;
    // Another hub led and did not live to record these, or the database was away.
    for (const each of pending.take(rollouts[0])) follow(each);
    noteAll().catch(failed);
    wakeup.wake();
  };
  const judge = async (): Promise<void> => {
    if (!leads() || !tracker.isWaiting()) return;
    const counting = await countingOf(ledger, clock.monotonicMs() < returnEnds);
    if (!leads()) return;
    const enforced = tracker.judge(counting);
    writer.add(enforced);
    for (const { rollout } of enforced) {
      const durationMs = Date.parse(rollout.enforced ?? '') - Date.parse(rollout.noticed);
      logger.info({ revision: rollout.commit.revision, clusters: counting.length, durationMs }, 'revision enforced');
    }
  };

  ledger.onLead(load);
  ledger.subscribe((change) => {
    if (change.kind !== 'cluster' || !leads()) return;
    // A cluster that connects or goes changes for which clusters the enforcement of a commit waits.
    if (tracker.isWaiting()) wakeup.wake();
    noteOne(change.cluster).catch(failed);
  });

  return {
    take: (revision) => {
      accepted = { revision, before: accepted?.revision.set, steps: { released: null, compiled: null } };
      listen({ kind: 'accepted', accepted });
    },
    reject: (rejected) => listen({ kind: 'rejected', rejected }),
    done: (step, revision) => {
      if (accepted?.revision.commit.revision !== revision) return;
      const time = clock.now().toISOString();
      accepted.steps[step] = time;
      if (leads()) changed(tracker.step(step, revision, time));
    },
    run: async (signal) => {
      while (!signal.aborted) {
        await wakeup.waitAtMost(LOOK_MS, clock, signal).catch(() => undefined);
        await clock.sleep(GATHER_MS, signal).catch(() => undefined);
        await judge().catch(failed);
        if (leads()) writer.begin();
        await clock.sleep(EVERY_MS, signal).catch(() => undefined);
      }
      await judge().catch(failed);
      if (leads()) writer.finish();
    },
  };
};
