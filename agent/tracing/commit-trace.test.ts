import { FakeClock } from '@fso/shared/fake-clock';
import { offerSpanOf, traceIdOf } from '@fso/shared/telemetry';
import { collectSpans } from '@fso/shared/telemetry-testing';
import { describe, expect, it } from 'vitest';
import { CommitTrace, LONGEST_MS } from './commit-trace.ts';

const [A, B] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const PARENT = offerSpanOf(A, 'eu').spanId;
const COUNTS = { policies: 3, objects: 9 };

const open = () => {
  const clock = new FakeClock();
  const spans = collectSpans();
  return { clock, spans, trace: new CommitTrace({ tracer: spans.tracer, cluster: 'eu', clock }) };
};

describe('the trace of a commit at an agent', () => {
  it("continues from the hub's offer to the proof, in the trace of the commit", async () => {
    const { clock, spans, trace } = open();
    trace.offered(A);
    trace.aimed(A, COUNTS);
    trace.enforcing(['Namespace/finance', 'K8sGeoResidency/eu']);
    await clock.advance(10);
    trace.accepted(A);
    trace.wrote('Namespace/finance', false);
    await clock.advance(10);
    trace.wrote('K8sGeoResidency/eu', false);
    // Not one that enforces.
    await clock.advance(10);
    trace.wrote('SovereignPolicy/finance', false);
    trace.proven(A);
    expect(spans.ended()).toEqual(['intake', 'write policies', 'enforce', 'prove'].map((name) => `${PARENT} / ${name}`));
    expect(new Set(['intake', 'enforce', 'prove'].map((name) => spans.named(name)[0]?.spanContext().traceId))).toEqual(
      new Set([traceIdOf(A)]),
    );
    expect(spans.named('intake')[0]?.attributes).toMatchObject({ 'vcs.ref.head.revision': A, 'fso.policies': 3, 'fso.objects': 9 });
    const [enforce] = spans.named('enforce');
    expect(enforce?.attributes).toMatchObject({ 'fso.writes': 2, 'fso.writes.failed': 0 });
    expect(enforce?.duration).toEqual([0, 20_000_000]);
    const [prove] = spans.named('prove');
    expect(prove?.attributes).toMatchObject({ 'fso.result': 'proven' });
    expect(prove?.startTime).toEqual(enforce?.startTime);
  });

  it('records why an offer is refused, and continues with the commit before it', () => {
    const { spans, trace } = open();
    trace.offered(A);
    trace.aimed(A, COUNTS);
    trace.offered(B);
    trace.refused(B, [{ code: 'unsigned', message: 'no' }]);
    expect(spans.ended().at(-1)).toBe(`${offerSpanOf(B, 'eu').spanId} / intake ! unsigned`);
    trace.accepted(A);
    trace.proven(A);
    expect(spans.ended().at(-1)).toBe(`${PARENT} / prove`);
  });

  it('ends with the next commit, with the agent, and as an error when it is not proven in time', async () => {
    const { clock, spans, trace } = open();
    const begin = (revision: string): void => {
      trace.offered(revision);
      trace.aimed(revision, COUNTS);
      trace.accepted(revision);
    };
    begin(A);
    begin(B);
    expect(spans.named('prove').map(({ attributes }) => attributes['fso.result'])).toEqual(['superseded']);
    await clock.advance(LONGEST_MS);
    expect(spans.ended().at(-1)).toBe(`${offerSpanOf(B, 'eu').spanId} / prove ! not-proven`);
    begin(A);
    trace.stop();
    trace.stop();
    expect(spans.named('prove').map(({ attributes }) => attributes['fso.result'])).toEqual(['superseded', 'not-proven', 'stopped']);
  });

  it('counts writes that fail', () => {
    const { spans, trace } = open();
    trace.offered(A);
    trace.aimed(A, COUNTS);
    trace.enforcing(['Namespace/finance']);
    trace.wrote('Namespace/finance', true);
    trace.enforcing(['Namespace/finance']);
    trace.wrote('Namespace/finance', false);
    trace.accepted(A);
    trace.proven(A);
    expect(spans.ended()).toContain(`${PARENT} / enforce ! write-failed`);
    expect(spans.named('enforce')[0]?.attributes).toMatchObject({ 'fso.writes': 1, 'fso.writes.failed': 1 });
  });

  it('excludes what belongs to no commit or to another', () => {
    const { spans, trace } = open();
    trace.enforcing(['Namespace/finance']);
    trace.wrote('Namespace/finance', false);
    trace.accepted(A);
    trace.proven(A);
    trace.offered(A);
    trace.aimed(A, COUNTS);
    // Proven before it was written: of an earlier time that it was in force.
    trace.proven(A);
    trace.accepted(B);
    trace.proven(B);
    expect(spans.ended()).toEqual([`${PARENT} / intake`]);
  });
});
