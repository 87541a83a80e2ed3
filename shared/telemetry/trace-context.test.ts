import { describe, expect, it } from 'vitest';
import { collectSpans } from './testing/collect-spans.ts';
import { formatTraceparent, parseTraceparent } from './trace-context.ts';

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

describe('a trace context', () => {
  it('is that of a span', () => {
    const span = collectSpans().tracer.startSpan('x');
    const { traceId, spanId } = span.spanContext();
    expect(parseTraceparent(formatTraceparent(span))).toEqual({ traceId, spanId, traceFlags: 1, isRemote: true });
  });

  it('keeps the flag that a trace is not sampled, and drops flags of later versions', () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toMatchObject({ traceFlags: 0 });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)).toMatchObject({ traceFlags: 1 });
  });

  it.each([
    '',
    `00-${TRACE}-${SPAN}`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01\n`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
  ])('%j is refused', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});
