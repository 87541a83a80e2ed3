import { expect, it } from 'vitest';
import { createLogger } from '../runtime/index.ts';
import { ActiveSpans } from './active-spans.ts';
import { collectSpans } from './testing/collect-spans.ts';

const span = () => collectSpans().tracer.startSpan('commit');

it('lines that name a commit name its span while that is active', () => {
  const active = new ActiveSpans();
  const lines: string[] = [];
  const logger = createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) }, mixin: active.fieldsFor });
  const [first, second] = [span(), span()];
  active.add('a', first);
  active.add('a', second);
  active.remove('a', first);
  logger.child({ cluster: 'eu' }).info({ revision: 'a' }, 'revision acked');
  logger.info({ revision: 'b' }, 'revision acked');
  logger.info('hub started');
  active.remove('a', second);
  logger.info({ revision: 'a' }, 'revision acked');
  const ids = lines.map((line) => JSON.parse(line) as { trace_id?: string; span_id?: string });
  const { traceId, spanId } = second.spanContext();
  expect(ids.map(({ trace_id, span_id }) => [trace_id, span_id])).toEqual([[traceId, spanId], ...Array(3).fill([undefined, undefined])]);
});

it('remembers few commits', () => {
  const active = new ActiveSpans();
  const one = span();
  for (let at = 0; at < 100; at += 1) active.add(String(at), one);
  const known = Array.from({ length: 100 }, (_, at) => active.fieldsFor({ revision: String(at) }).trace_id).filter(Boolean);
  expect(known).toHaveLength(16);
});
