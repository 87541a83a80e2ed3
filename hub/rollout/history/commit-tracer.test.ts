import { commitSpanOf, offerSpanOf, traceIdOf } from '@fso/shared/telemetry';
import { collectSpans } from '@fso/shared/telemetry-testing';
import { describe, expect, it } from 'vitest';
import { CommitTracer, LONGEST_MS } from './commit-tracer.ts';
import { A, B, open } from './testing/followed-commits.ts';

const PARENT = '00f067aa0ba902b7';
const SENDER = `00-4bf92f3577b34da6a3ce929d0e0e4736-${PARENT}-01`;
/** Longer than agents of an earlier hub have to return. */
const QUIET_MS = 20_000;

/** A hub whose clusters are connected. */
const openConnected = async (inWaves = false) => {
  const fleet = open(inWaves);
  const hub = fleet.begin();
  for (const cluster of ['eu', 'us']) await fleet.ledger.setConnected(cluster, true);
  await fleet.clock.advance(QUIET_MS);
  const refuse = (cluster: string, revision: string, code: 'unsigned' | 'untrusted-signer') =>
    fleet.ledger.setNack(cluster, { revision, reasons: [{ code, message: 'no' }] });
  const enforce = async (revision: string): Promise<void> => {
    for (const cluster of ['eu', 'us']) {
      await fleet.ack(cluster, revision);
      await fleet.prove(cluster, revision);
    }
    await fleet.clock.advance(2000);
  };
  const resultsOf = (name: string) => fleet.spans.named(name).map(({ attributes }) => attributes['fso.result'] ?? attributes['error.type']);
  return { ...fleet, hub, refuse, enforce, resultsOf };
};

describe('the trace of a commit at the hub', () => {
  it('goes from the fetch to the last proof, and its ids follow from the commit', async () => {
    const { clock, spans, hub, ack, prove, resultsOf } = await openConnected();
    hub.take(A);
    await clock.advance(100);
    for (const cluster of ['eu', 'us']) await ack(cluster, A);
    await prove('eu', A);
    await clock.advance(900);
    expect(spans.named('commit')).toEqual([]);
    await prove('us', A);
    await clock.advance(2000);
    const parts = ['compile', 'fetch', 'judge', 'offer', 'offer', 'release'].map((name) => `commit / ${name}`);
    expect(spans.ended().toSorted()).toEqual(['commit', ...parts]);
    const [commit] = spans.named('commit');
    expect(commit?.attributes).toMatchObject({ 'vcs.ref.head.revision': A, 'fso.result': 'enforced', 'fso.clusters': 2 });
    expect(commit?.duration).toEqual([1, 0]);
    const ids = [commit, ...spans.named('offer')].map((span) => span?.spanContext());
    expect(ids.map((each) => each?.traceId)).toEqual([A, A, A].map(traceIdOf));
    expect(ids.map((each) => each?.spanId)).toEqual(
      [commitSpanOf(A), offerSpanOf(A, 'eu'), offerSpanOf(A, 'us')].map(({ spanId }) => spanId),
    );
    expect(spans.named('offer').map(({ attributes }) => attributes['k8s.cluster.name'])).toEqual(['eu', 'us']);
    expect(resultsOf('offer')).toEqual(['acked', 'acked']);
  });

  it('records the problem for which a commit is rejected, once', async () => {
    const { clock, spans, hub } = await openConnected();
    for (let at = 0; at < 2; at += 1) hub.reject(A, [{ code: 'unsigned', reason: 'the commit is not signed' }]);
    await clock.advance(2000);
    expect(spans.ended()).toEqual(['commit / fetch', 'commit / judge ! unsigned', 'commit ! unsigned']);
    expect(spans.named('commit')[0]?.attributes).toMatchObject({ 'error.type': 'unsigned', 'fso.problems': 1 });
  });

  it('records the problem for which an agent refuses a commit, once no other commit is on its way to it', async () => {
    const { clock, spans, hub, refuse, ack, prove } = await openConnected();
    hub.take(A);
    await refuse('eu', A, 'untrusted-signer');
    await clock.advance(2000);
    expect(spans.ended()).toEqual([`${commitSpanOf(A).spanId} / offer ! untrusted-signer`]);
    await ack('us', A);
    await prove('us', A);
    await clock.advance(2000);
    expect(spans.ended().at(-1)).toBe('commit ! untrusted-signer');
  });

  it('has the offers to clusters that come later, each once', async () => {
    const { clock, spans, hub, enforce, ack, ledger } = await openConnected();
    hub.take(A);
    await enforce(A);
    await ledger.setConnected('late', true);
    for (let at = 0; at < 2; at += 1) {
      await ack('late', A);
      await clock.advance(2000);
    }
    expect(spans.named('offer').map(({ attributes }) => attributes['k8s.cluster.name'])).toEqual(['eu', 'us', 'late']);
    expect(spans.named('commit')).toHaveLength(1);
  });

  it('ends with the next commit, and as an error when it is not proven in time', async () => {
    const { clock, spans, hub, resultsOf, enforce } = await openConnected();
    hub.take(A);
    hub.take(B);
    expect(resultsOf('commit')).toEqual(['superseded']);
    await clock.advance(LONGEST_MS + 10_000);
    expect(resultsOf('commit')).toEqual(['superseded', 'not-proven']);
    expect(spans.ended().at(-1)).toBe('commit ! not-proven');
    // It has a trace already.
    await enforce(B);
    expect(resultsOf('commit')).toHaveLength(2);
  });

  it('continues for as long as waves do', async () => {
    const { clock, spans, hub, enforce, resultsOf } = await openConnected(true);
    hub.take(A);
    await clock.advance(LONGEST_MS + 10_000);
    expect(spans.named('commit')).toEqual([]);
    await enforce(A);
    expect(resultsOf('commit')).toEqual(['enforced']);
  });

  it('has a span for each wave', () => {
    const spans = collectSpans();
    const tracer = new CommitTracer(spans);
    const work = { revision: A, since: 1_000, until: 3_000 };
    tracer.waved({ ...work, wave: 'canary', result: 'finished' });
    tracer.waved({ ...work, wave: 'rest', error: 'NewViolations' });
    const parent = commitSpanOf(A).spanId;
    expect(spans.ended()).toEqual([`${parent} / wave`, `${parent} / wave ! NewViolations`]);
    const [first] = spans.named('wave');
    expect([first?.attributes, first?.duration]).toEqual([{ 'fso.wave': 'canary', 'fso.result': 'finished' }, [2, 0]]);
  });

  it('has nothing of a commit that was there at the start', async () => {
    const { spans, hub, enforce } = await openConnected();
    hub.take(A, { restored: true });
    await enforce(A);
    expect(spans.ended()).toEqual([]);
  });

  it('is made by the life of the hub that sees its end, without what the one before has made', async () => {
    const { clock, spans, hub, begin, ack, prove } = await openConnected();
    hub.take(A);
    await ack('eu', A);
    await clock.advance(2000);
    expect(spans.ended()).toEqual([`${commitSpanOf(A).spanId} / offer`]);
    await hub.stop();
    const next = collectSpans();
    begin(next).take(A, { restored: true });
    await clock.advance(1000);
    await ack('us', A);
    for (const cluster of ['eu', 'us']) await prove(cluster, A);
    await clock.advance(QUIET_MS);
    const parts = ['compile', 'fetch', 'judge', 'offer', 'release'].map((name) => `commit / ${name}`);
    expect(next.ended().toSorted()).toEqual(['commit', ...parts]);
    const last = collectSpans();
    begin(last).take(A, { restored: true });
    await clock.advance(QUIET_MS);
    expect(last.ended()).toEqual([]);
  });
});

describe('a webhook that names a commit', () => {
  it.each([
    ['a trace context', SENDER, [PARENT]],
    ['something else', `${SENDER}-x`, []],
  ])('links its trace to the one of the sender, with %s', (_what, traceparent, linked) => {
    const spans = collectSpans();
    new CommitTracer(spans).announced(A, traceparent);
    const found = spans.named('webhook');
    expect(found.map(({ links }) => links.map(({ context }) => context.spanId))).toEqual(linked.length === 0 ? [] : [linked]);
    for (const span of found) expect(span.parentSpanContext).toMatchObject({ traceId: traceIdOf(A), spanId: commitSpanOf(A).spanId });
  });
});
