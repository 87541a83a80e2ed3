import type { RevisionVerification } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import { ActiveSpans } from '@fso/shared/telemetry';
import { collectSpans } from '@fso/shared/telemetry-testing';
import { describe, expect, it } from 'vitest';
import { EMPTY_BASELINE } from '../test/harness/baselines.ts';
import { CommitTraces, LONGEST_MS } from './commit-traces.ts';
import { createMemoryLedger } from './ledger/testing/memory-ledger.ts';
import { clusterReport, FILES } from './serve/testing/fleet.ts';
import type { RejectedRevision, SourceRevision } from './source/index.ts';

const [A, B] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-4bf92f3577b34da6a3ce929d0e0e4736-${PARENT}-01`;
const unverified: RevisionVerification = { state: 'unverified' };

const open = (keeps = true) => {
  const clock = new FakeClock();
  const spans = collectSpans(keeps);
  const active = new ActiveSpans();
  const traces = new CommitTraces({ tracer: spans.tracer, active, clock });
  const ledger = createMemoryLedger({ clock });
  const handlers: { take?: (revision: SourceRevision) => void; reject?: (rejected: RejectedRevision) => void } = {};
  const source = {
    onRevision: (handler: (revision: SourceRevision) => void) => void Object.assign(handlers, { take: handler }),
    onRejected: (handler: (rejected: RejectedRevision) => void) => void Object.assign(handlers, { reject: handler }),
  };
  traces.follow(source, ledger);
  const decoded = decodeFiles(FILES);
  if (!decoded.ok) throw new Error('files');
  const { set } = decoded;
  const head = (revision: string) => {
    const now = clock.now().toISOString();
    const commit = { revision, author: 'Ada', subject: 'Keep finance in the EU', time: now };
    return { commit, times: { noticed: now, fetched: now, judged: now } };
  };
  const take = (revision: string, change: Partial<SourceRevision> = {}): void =>
    handlers.take?.({ ...head(revision), set, verification: unverified, restored: false, ...change });
  /** Takes a revision through the hub to the offers. */
  const release = (revision: string, clusters: readonly string[]): void => {
    take(revision);
    traces.step('release', revision, () => clusters.map((cluster) => traces.offer(cluster, revision)));
    traces.step('compile', revision, () => undefined);
  };
  /** @param missing policies that the hub is to have by name, and that are still to come */
  const prove = async (cluster: string, revision: string, missing = 0): Promise<void> => {
    const reported = { baseline: EMPTY_BASELINE, total: { count: missing, root: String(missing).repeat(64) }, deviations: [] };
    const report = { type: 'report' as const, full: true, policies: [], removed: [], events: [], ...reported };
    const { reportedSeq = 0 } = (await ledger.cluster(cluster)) ?? {};
    await ledger.setConnected(cluster, true);
    const proven = { ...clusterReport(), revision, provenRevision: revision };
    await ledger.applyReport(cluster, { ...report, seq: reportedSeq + 1, cluster: proven });
    await clock.advance(0);
  };
  const reject = (revision: string): void =>
    handlers.reject?.({ ...head(revision), problems: [{ code: 'unsigned', reason: 'the commit is not signed' }] });
  return { clock, spans, active, traces, take, release, prove, reject };
};

describe('the trace of a commit at the hub', () => {
  it('goes from the fetch to the last proof', async () => {
    const { spans, traces, release, prove, active } = open();
    release(A, ['eu', 'us']);
    for (const cluster of ['eu', 'us']) {
      traces.sent(cluster, A, 5);
      traces.answered(cluster, A);
    }
    await prove('eu', A);
    await prove('us', A, 1);
    expect(spans.named('commit')).toEqual([]);
    expect(active.fieldsFor({ revision: A })).toMatchObject({ trace_id: expect.any(String), span_id: expect.any(String) });
    await prove('us', A);
    expect(spans.ended().toSorted()).toEqual([
      'commit',
      'commit / compile',
      'commit / fetch',
      'commit / judge',
      'commit / offer',
      'commit / offer',
      'commit / release',
    ]);
    const [commit] = spans.named('commit');
    expect(commit?.attributes).toMatchObject({ 'vcs.ref.head.revision': A, 'fso.result': 'enforced' });
    expect(spans.named('offer').map(({ attributes }) => attributes['k8s.cluster.name'])).toEqual(['eu', 'us']);
    expect(active.fieldsFor({ revision: A })).toEqual({});
  });

  it('gives each agent its own offer as the parent of its spans', () => {
    const { spans, traces, release } = open();
    release(A, ['eu', 'us']);
    const sent = ['eu', 'us'].map((cluster) => traces.traceparentOf(cluster, A));
    expect(traces.traceparentOf('eu', B)).toBeUndefined();
    expect(traces.traceparentOf('apac', A)).toBeUndefined();
    traces.stop();
    const own = spans.named('offer').map((span) => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`);
    expect(sent).toEqual(own);
    expect(new Set(own).size).toBe(2);
  });

  it('sends agents an unsampled trace, so that they record none of their own', () => {
    const { traces, release } = open(false);
    release(A, ['eu']);
    expect(traces.traceparentOf('eu', A)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('records the problem for which a commit is rejected, once', () => {
    const { spans, reject } = open();
    reject(A);
    reject(A);
    expect(spans.ended()).toEqual(['commit / fetch', 'commit / judge ! unsigned', 'commit ! unsigned']);
    expect(spans.named('commit')[0]?.attributes).toMatchObject({ 'error.type': 'unsigned', 'fso.problems': 1 });
  });

  it('records the problem for which an agent refuses a commit, until it accepts the commit', async () => {
    const { spans, traces, release, prove } = open();
    release(A, ['eu']);
    traces.answered('eu', A, [{ code: 'untrusted-signer', message: 'no' }]);
    expect(spans.ended().slice(-2)).toEqual(['commit / offer ! untrusted-signer', 'commit ! untrusted-signer']);
    release(B, ['eu', 'us']);
    traces.answered('eu', B, [{ code: 'object-missing', message: 'no' }]);
    traces.offer('eu', B);
    for (const cluster of ['eu', 'us']) traces.answered(cluster, B);
    for (const cluster of ['eu', 'us']) await prove(cluster, B);
    expect(spans.ended().at(-1)).toBe('commit');
  });

  it('does not wait for a cluster that is gone, nor for one that connects later, which joins the trace', async () => {
    const { spans, traces, release, prove } = open();
    release(A, ['eu', 'us']);
    traces.closed('us');
    expect(spans.ended()).toContain(
      'commit / offer ! disconnected'.replace('commit / ', `${spans.named('offer')[0]?.parentSpanContext?.spanId} / `),
    );
    traces.answered('eu', A);
    await prove('eu', A);
    expect(spans.named('commit')).toHaveLength(1);
    traces.offer('us', A);
    traces.answered('us', A);
    expect(spans.ended().at(-1)).toBe('commit / offer');
  });

  it('ends with the next commit, and as an error when it is not proven in time', async () => {
    const { spans, release, clock } = open();
    release(A, ['eu']);
    release(B, ['eu']);
    expect(spans.named('commit').map(({ attributes }) => attributes['fso.result'])).toEqual(['superseded']);
    await clock.advance(LONGEST_MS);
    expect(spans.ended()).toContain('commit ! not-proven');
    expect(spans.ended()).toContain('commit / offer ! not-proven');
  });

  it('excludes a commit that was in force at the start', () => {
    const { spans, traces, take } = open();
    take(A, { restored: true });
    traces.offer('eu', A);
    expect(traces.traceparentOf('eu', A)).toBeUndefined();
    expect(traces.step('compile', A, () => 7)).toBe(7);
    traces.stop();
    expect(spans.ended()).toEqual([]);
  });

  it('marks a step that fails, which fails all the same', () => {
    const { spans, traces, take } = open();
    take(A);
    const run = () =>
      traces.step('compile', A, () => {
        throw new Error('no');
      });
    expect(run).toThrow('no');
    expect(spans.named('compile').map(({ status }) => status.message)).toEqual(['failed']);
  });

  it.each([
    ['a webhook', TRACEPARENT, 0, true],
    ['a webhook long ago', TRACEPARENT, 60_001, false],
    ['a webhook with something else', `${TRACEPARENT}-x`, 0, false],
    ['a webhook without', undefined, 0, false],
  ])('continues the trace of %s', async (_what, traceparent, ageMs, isTaken) => {
    const { spans, traces, clock, release } = open();
    traces.hinted(traceparent);
    await clock.advance(ageMs);
    release(A, []);
    release(B, []);
    expect(spans.named('commit').map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
      isTaken ? PARENT : undefined,
      undefined,
    ]);
  });
});
