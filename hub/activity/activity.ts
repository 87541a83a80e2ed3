import { policyKey, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/compile';
import type { Clock } from '@fso/shared/runtime';
import type pino from 'pino';
import type { ClusterRecord, Ledger } from '../ledger/index.ts';
import { createAlarm, type RejectedRevision, type SourceRevision } from '../source/index.ts';
import { comparePolicies } from './policy-changes.ts';
import { enforcedAt, newVisit, noteCluster, type StoredVisit, withChanges } from './visit.ts';
import { readVisits, writeVisit } from './visit-records.ts';

/** Follows commits through the steps of this hub and of the clusters. Every hub does; the one that leads writes it down. */
export interface Activity {
  take(revision: SourceRevision): void;
  reject(rejected: RejectedRevision): void;
  /** This hub is done with a step of the commit that it took last. */
  done(step: HubStep, revision: string): void;
  /** Writes until aborted, and then what is left. */
  run(signal: AbortSignal): Promise<void>;
}

export type HubStep = 'released' | 'compiled';

export interface ActivityDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: pino.Logger;
}

/** Accepted commits that clusters may still be on their way to. */
const OPEN = 4;
/** So that the first steps, which follow each other at once, are written together. */
const GATHER_MS = 30;
const EVERY_MS = 1_000;
/** Without news: what could not be written, and clusters that did not come back. */
const LOOK_MS = 5_000;
/** After a hub has begun to lead, clusters that were seen before count as connected for so long: their agents are on their way back. */
const RETURN_MS = 15_000;

interface Taken {
  readonly revision: SourceRevision;
  /** What was in force before it. */
  readonly before: PolicySet | undefined;
  readonly steps: { released: string | null; compiled: string | null };
}

interface Open {
  readonly visit: StoredVisit;
  /** Policies that are not compared yet. */
  compare?: { readonly before: PolicySet | undefined; readonly after: PolicySet } | undefined;
  isWritten: boolean;
}

export const createActivity = ({ ledger, clock, logger }: ActivityDeps): Activity => {
  const { records } = ledger;
  const alarm = createAlarm(clock);
  /** Newest first; of the leading hub. */
  let open: Open[] = [];
  let lastSequence = 0;
  /** The newest commit, if it is a refused one. */
  let refused: Open | undefined;
  let taken: Taken | undefined;
  let rejected: RejectedRevision | undefined;
  let loaded = false;
  let returnEnds = 0;

  const leads = (): boolean => {
    loaded &&= ledger.leads();
    return loaded;
  };
  const changed = (entry: Open): void => {
    entry.isWritten = false;
    alarm.ring();
  };
  const add = (start: Omit<Parameters<typeof newVisit>[0], 'sequence'>, clusters: readonly string[]): Open => {
    lastSequence += 1;
    const entry: Open = { visit: newVisit({ ...start, sequence: lastSequence }, clusters), isWritten: false };
    alarm.ring();
    return entry;
  };

  const note = (record: ClusterRecord): void => {
    const now = clock.now().getTime();
    const seen = new Set<string>();
    for (const entry of open) {
      const { commit, noticed } = entry.visit;
      // What a cluster says of a commit is about the last time that it was in force.
      if (seen.has(commit.revision)) continue;
      seen.add(commit.revision);
      if (noteCluster(entry.visit, record, Math.max(0, now - Date.parse(noticed)))) changed(entry);
    }
  };
  const noteAll = async (): Promise<void> => {
    for (const record of await ledger.clusters()) if (leads()) note(record);
  };
  const failed = (err: unknown): void => logger.error({ err }, 'activity of a commit not recorded');

  const supersede = (entry: Open | undefined): void => {
    if (entry === undefined || entry.visit.enforced !== null) return;
    entry.visit.superseded = true;
    changed(entry);
  };
  const begin = ({ revision, before, steps }: Taken): void => {
    const { commit, verification, times, set, restored } = revision;
    supersede(open[0]);
    const hub = restored
      ? { fetched: null, judged: null, released: null, compiled: null }
      : { fetched: times.fetched, judged: times.judged, ...steps };
    const clusters = set.clusters.map(({ document }) => document.metadata.name);
    const entry = add({ commit, verification, noticed: times.noticed, watched: !restored, hub }, clusters);
    // Without the set before, only the first commit of all is known to bring everything.
    if (!restored && (before !== undefined || open.length === 0)) entry.compare = { before, after: set };
    open = [entry, ...open].slice(0, OPEN);
    refused = undefined;
    noteAll().catch(failed);
  };
  /** One that is found again after a restart, or that another hub has begun to follow, goes on. */
  const beginUnlessKnown = (which: Taken): void => {
    const { commit, restored } = which.revision;
    const at = open.findIndex(({ visit }) => visit.commit.revision === commit.revision);
    if (at === 0 || (at > 0 && restored)) return;
    begin(which);
  };
  const noteRejected = ({ commit, problems, times }: RejectedRevision): void => {
    // It is looked at again after a restart, and each time where only time can mend it.
    if (refused?.visit.commit.revision === commit.revision) return;
    refused = add(
      {
        commit,
        problems: [...problems],
        noticed: times.noticed,
        hub: { fetched: times.fetched, judged: times.judged, released: null, compiled: null },
      },
      [],
    );
  };

  const load = (): void => {
    const visits = readVisits(records);
    const [newest] = visits;
    lastSequence = newest?.sequence ?? 0;
    const entryOf = (visit: StoredVisit): Open => ({ visit: structuredClone(visit), isWritten: true });
    open = visits
      .filter(({ problems }) => problems === null)
      .slice(0, OPEN)
      .map(entryOf);
    refused = newest !== undefined && newest.problems !== null ? entryOf(newest) : undefined;
    loaded = true;
    returnEnds = clock.monotonicMs() + RETURN_MS;
    // What this hub saw while another one led, and that one did not live to write down.
    const isNewer = (noticed: string): boolean => newest === undefined || noticed > newest.noticed;
    if (taken !== undefined && isNewer(taken.revision.times.noticed)) beginUnlessKnown(taken);
    if (rejected !== undefined && isNewer(rejected.times.noticed)) noteRejected(rejected);
    noteAll().catch(failed);
    alarm.ring();
  };

  const judgeEnforced = async (entry: Open | undefined): Promise<void> => {
    if (entry === undefined || entry.visit.enforced !== null) return;
    const isReturning = clock.monotonicMs() < returnEnds;
    const counting = (await ledger.clusters()).filter(({ connected, lastSeen }) => connected || (isReturning && lastSeen !== null));
    const at = enforcedAt(
      entry.visit,
      counting.map(({ name }) => name),
    );
    if (at === undefined) return;
    entry.visit.enforced = new Date(Date.parse(entry.visit.noticed) + at).toISOString();
    entry.isWritten = false;
  };
  const auditChanges = async ({ commit, changes, counts }: StoredVisit): Promise<void> => {
    if (counts.added + counts.changed + counts.removed === 0) return;
    const keys = (names: readonly string[]): string[] => names.map((name) => policyKey({ namespace: SYSTEM_NAMESPACE, name }));
    await ledger.audit.append({
      actor: { kind: 'git', id: commit.author.slice(0, 512), roles: [] },
      from: null,
      action: 'policies.change',
      subject: commit.revision,
      detail: { added: keys(changes.added), changed: keys(changes.changed), removed: keys(changes.removed) },
    });
  };
  const compare = async (entry: Open): Promise<void> => {
    if (entry.compare === undefined) return;
    const { before, after } = entry.compare;
    entry.compare = undefined;
    Object.assign(entry.visit, withChanges(comparePolicies(before, after)));
    await auditChanges(entry.visit);
  };
  const writeEntry = async (entry: Open): Promise<void> => {
    entry.isWritten = true;
    const audited = compare(entry);
    await Promise.all([audited, writeVisit(records, entry.visit)]);
  };
  const write = async (): Promise<void> => {
    await judgeEnforced(open[0]);
    const entries = refused === undefined ? open : [...open, refused];
    await Promise.all(entries.filter(({ isWritten }) => !isWritten).map(writeEntry));
  };
  let isWriting = false;
  /** Nobody waits for it: with the database away it takes as long as that is. */
  const beginWriting = (): void => {
    if (isWriting || !leads()) return;
    isWriting = true;
    write()
      .catch(failed)
      .finally(() => {
        isWriting = false;
      });
  };

  ledger.onLead(load);
  ledger.subscribe((change) => {
    if (change.kind !== 'cluster' || !leads()) return;
    // Someone who connects or goes changes whom the enforcement of a commit is waiting for.
    if (open[0]?.visit.enforced === null) alarm.ring();
    ledger
      .cluster(change.cluster)
      .then((record) => record !== null && leads() && note(record))
      .catch(failed);
  });

  return {
    take: (revision) => {
      taken = { revision, before: taken?.revision.set, steps: { released: null, compiled: null } };
      rejected = undefined;
      if (leads()) beginUnlessKnown(taken);
    },
    reject: (which) => {
      rejected = which;
      if (leads()) noteRejected(which);
    },
    done: (step, revision) => {
      if (taken?.revision.commit.revision !== revision) return;
      const time = clock.now().toISOString();
      taken.steps[step] = time;
      const [current] = open;
      if (!leads() || current === undefined) return;
      const { visit } = current;
      if (visit.commit.revision !== revision || !visit.watched || visit.hub[step] !== null) return;
      visit.hub[step] = time;
      changed(current);
    },
    run: async (signal) => {
      while (!signal.aborted) {
        await alarm.wait(LOOK_MS, signal);
        await clock.sleep(GATHER_MS, signal).catch(() => undefined);
        beginWriting();
        await clock.sleep(EVERY_MS, signal).catch(() => undefined);
      }
      isWriting = false;
      beginWriting();
    },
  };
};
