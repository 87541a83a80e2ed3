import type { Clock } from '@fso/shared/runtime';
import type pino from 'pino';
import type { Ledger } from '../../ledger/index.ts';
import { createAlarm, type RejectedRevision, type SourceRevision } from '../../source/index.ts';
import { type Heard, hear, notRecorded } from './pending-commits.ts';
import { readVisits } from './rollout-store.ts';
import { createFollower, type Entry, type HubStep, type Taken } from './rollout-tracker.ts';
import { createVisitWriter } from './rollout-writer.ts';

/** Follows commits through the steps of this hub and of the clusters. Every hub does; the one that leads writes it down. */
export interface Activity {
  take(revision: SourceRevision): void;
  reject(rejected: RejectedRevision): void;
  /** This hub is done with a step of the commit that it took last. */
  done(step: HubStep, revision: string): void;
  /** Writes until aborted, and then what is left. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ActivityDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: pino.Logger;
}

/** So that the first steps, which follow each other at once, are written together. */
const GATHER_MS = 30;
const EVERY_MS = 1_000;
/** Without news: what could not be written, and clusters that did not come back. */
const LOOK_MS = 5_000;
/** After a hub has begun to lead, clusters that were seen before count as connected for so long: their agents are on their way back. */
const RETURN_MS = 15_000;

/** Names of the clusters that the enforcement of a commit waits for. */
const countingOf = async (ledger: Ledger, isReturning: boolean): Promise<readonly string[]> =>
  (await ledger.clusters()).flatMap(({ name, connected, lastSeen }) => (connected || (isReturning && lastSeen !== null) ? [name] : []));

export const createActivity = ({ ledger, clock, logger }: ActivityDeps): Activity => {
  const alarm = createAlarm(clock);
  const follower = createFollower();
  const writer = createVisitWriter({ ledger, logger, onMore: alarm.ring });
  let taken: Taken | undefined;
  /** While this hub does not lead. */
  let heard: readonly Heard[] = [];
  let loaded = false;
  let returnEnds = 0;

  const leads = (): boolean => {
    loaded &&= ledger.leads();
    return loaded;
  };
  const changed = (entries: readonly Entry[]): void => {
    if (entries.length === 0) return;
    writer.add(entries);
    alarm.ring();
  };
  const failed = (err: unknown): void => logger.error({ err }, 'activity of a commit not followed');

  const noteAll = async (): Promise<void> => {
    for (const record of await ledger.clusters()) if (leads()) changed(follower.note(record, clock.now().getTime()));
  };
  const noteOne = async (cluster: string): Promise<void> => {
    const record = await ledger.cluster(cluster);
    if (record !== null && leads()) changed(follower.note(record, clock.now().getTime()));
  };
  const follow = (next: Heard): void => {
    const entries = next.kind === 'taken' ? follower.begin(next.taken) : follower.refuse(next.rejected);
    changed(entries);
    if (next.kind === 'taken' && entries.length > 0) noteAll().catch(failed);
  };
  const listen = (next: Heard): void => {
    if (leads()) follow(next);
    else heard = notRecorded(hear(heard, next), readVisits(ledger.records)[0]);
  };

  const load = (): void => {
    const visits = readVisits(ledger.records);
    writer.replace(follower.restore(visits, writer.unwritten()));
    loaded = true;
    returnEnds = clock.monotonicMs() + RETURN_MS;
    // What this hub saw while another one led, and that one did not live to write down, or while the database was away.
    const missed = notRecorded(heard, visits[0]);
    heard = [];
    for (const each of missed) follow(each);
    noteAll().catch(failed);
    alarm.ring();
  };
  const judge = async (): Promise<void> => {
    if (!leads() || !follower.isWaiting()) return;
    const counting = await countingOf(ledger, clock.monotonicMs() < returnEnds);
    if (leads()) writer.add(follower.judge(counting));
  };

  ledger.onLead(load);
  ledger.subscribe((change) => {
    if (change.kind !== 'cluster' || !leads()) return;
    // Someone who connects or goes changes whom the enforcement of a commit is waiting for.
    if (follower.isWaiting()) alarm.ring();
    noteOne(change.cluster).catch(failed);
  });

  return {
    take: (revision) => {
      taken = { revision, before: taken?.revision.set, steps: { released: null, compiled: null } };
      listen({ kind: 'taken', taken });
    },
    reject: (rejected) => listen({ kind: 'rejected', rejected }),
    done: (step, revision) => {
      if (taken?.revision.commit.revision !== revision) return;
      const time = clock.now().toISOString();
      taken.steps[step] = time;
      if (leads()) changed(follower.step(step, revision, time));
    },
    run: async (signal) => {
      while (!signal.aborted) {
        await alarm.wait(LOOK_MS, signal);
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
