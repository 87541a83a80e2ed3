import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createLogger } from '../runtime/index.ts';
import { commitSpanOf, offerSpanOf, traceFields, traceIdOf } from './commit-spans.ts';
import { collectSpans } from './testing/collect-spans.ts';

const [A, B] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];

it('ids follow from the commit, and differ between commits and clusters', () => {
  expect(traceIdOf(A)).toBe(createHash('sha256').update(`fso ${A}`).digest('hex').slice(0, 32));
  expect(offerSpanOf(A, 'eu')).toEqual(offerSpanOf(A, 'eu'));
  const spans = [commitSpanOf(A), offerSpanOf(A, 'eu'), offerSpanOf(A, 'us')];
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([traceIdOf(A)]));
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(3);
  for (const { spanId } of spans) expect(spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(traceIdOf(B)).not.toBe(traceIdOf(A));
});

it('a span that is started by its ids has them, and those after it have their own', () => {
  const { tracer, startSpanAs, named } = collectSpans();
  const root = startSpanAs(commitSpanOf(A), 'commit');
  tracer.startSpan('other').end();
  root.end();
  const [commit, other] = ['commit', 'other'].map((name) => named(name)[0]?.spanContext());
  expect([commit?.traceId, commit?.spanId]).toEqual([commitSpanOf(A).traceId, commitSpanOf(A).spanId]);
  expect(other?.traceId).not.toBe(commit?.traceId);
  expect(named('commit')[0]?.parentSpanContext).toBeUndefined();
});

it('lines of the log that name a commit name its trace', () => {
  const lines: string[] = [];
  const logger = createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) }, mixin: traceFields });
  logger.child({ cluster: 'eu' }).info({ revision: A }, 'revision acked');
  logger.info({ revision: null }, 'revision acked');
  logger.info('hub started');
  const ids = lines.map((line) => (JSON.parse(line) as { trace_id?: string }).trace_id);
  expect(ids).toEqual([traceIdOf(A), undefined, undefined]);
});
