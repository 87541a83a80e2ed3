import type { CommitActivity, ProblemView } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import { collectSpans, type SpanCollector } from '@fso/shared/telemetry-testing';
import { pino } from 'pino';
import { expect, onTestFinished } from 'vitest';
import type { Ledger } from '../../../ledger/index.ts';
import { createMemoryLedger } from '../../../ledger/testing/memory-ledger.ts';
import { clusterReport, FILES, report } from '../../../serve/testing/fleet.ts';
import type { RejectedRevision, SourceRevision } from '../../../source/index.ts';
import { Activity } from '../activity.ts';
import { CommitTracer } from '../commit-tracer.ts';
import { readRollout, readRollouts } from '../rollout-store.ts';
import { activityOf, summaryOf } from '../views.ts';

export const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string];
const START = Date.parse('2026-01-03T10:30:00.000Z');
/** Returns the time that many milliseconds after the start. */
export const at = (ms: number): string => new Date(START + ms).toISOString();
const commitOf = (revision: string) => ({ revision, author: 'Ada', subject: 'Keep finance in the EU', time: at(0) });
/** Decodes a set. @throws Error if there are problems */
export const setOf = (files = FILES) => {
  const decoded = decodeFiles(files);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};
/** Files in which the policy `hr` allows another region. */
export const HR = FILES.map((file) => ({
  ...file,
  text: file.path === 'policies/hr.yaml' ? file.text.replace('eu-west-1', 'eu-west-2') : file.text,
}));

/** Measured times, in seconds. */
interface EnforcementSeconds {
  readonly enforced: number[];
  readonly proven: number[];
}

/** Traces of the lives of a hub, beside the ledger. */
interface Watched {
  readonly inWaves: boolean;
  readonly seconds: EnforcementSeconds;
  readonly logged: unknown[];
  readonly spans: SpanCollector;
}

/** Starts the activity of a hub, as one of its lives. */
const life = (ledger: Ledger, clock: FakeClock, { inWaves, seconds, logged, spans }: Watched) => {
  const metrics = { enforced: (time: number) => seconds.enforced.push(time), proven: (time: number) => seconds.proven.push(time) };
  const logger = pino({ base: null }, { write: (line) => void logged.push(JSON.parse(line)) });
  const activity = new Activity({ ledger, clock, logger, metrics, inWaves: () => inWaves, tracer: new CommitTracer(spans) });
  const end = new AbortController();
  const done = activity.run(end.signal);
  const times = () => ({ noticed: clock.now().toISOString(), fetched: clock.now().toISOString(), judged: clock.now().toISOString() });
  return {
    take: (revision: string, change: Partial<SourceRevision> = {}) => {
      activity.take({
        commit: commitOf(revision),
        set: setOf(),
        verification: { state: 'unverified' },
        times: times(),
        restored: false,
        ...change,
      });
      activity.done('released', revision);
      activity.done('compiled', revision);
    },
    reject: (revision: string, problems: readonly ProblemView[], change: Partial<RejectedRevision> = {}) =>
      activity.reject({ commit: commitOf(revision), problems, times: times(), ...change }),
    stop: async () => {
      end.abort();
      await done;
    },
  };
};

/** @param inWaves whether a RolloutStrategy is in force */
export const open = (inWaves = false) => {
  const clock = new FakeClock(new Date(START));
  const ledger = createMemoryLedger({ clock });
  const seconds: EnforcementSeconds = { enforced: [], proven: [] };
  const logged: unknown[] = [];
  const spans = collectSpans();
  const begin = (own = spans) => {
    const hub = life(ledger, clock, { inWaves, seconds, logged, spans: own });
    onTestFinished(hub.stop);
    return hub;
  };
  const ack = async (cluster: string, revision: string) => {
    await ledger.setOffered(cluster, revision);
    await ledger.setAck(cluster, { revision, digest: 'd' });
  };
  let seq = 0;
  const prove = (cluster: string, revision: string, proven: string | null = revision) => {
    seq += 1;
    return ledger.applyReport(cluster, report({ seq, full: true, cluster: clusterReport(revision, proven) }));
  };
  const show = (revision: string): CommitActivity =>
    activityOf(readRollout(ledger.records, revision) ?? expect.fail(`no rollout of ${revision}`));
  const states = () => readRollouts(ledger.records).map((rollout) => [rollout.commit.revision.slice(0, 1), summaryOf(rollout).state]);
  return { clock, ledger, begin, ack, prove, show, states, seconds, logged, spans };
};
