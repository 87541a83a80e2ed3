import { describe, expect, it } from 'vitest';
import { parseTraceparent } from './trace-context.ts';

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

describe('a trace context', () => {
  it('names a span elsewhere and whether its trace is sampled, and drops flags of later versions', () => {
    const ids = { traceId: TRACE, spanId: SPAN, isRemote: true };
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...ids, traceFlags: 1 });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...ids, traceFlags: 0 });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)).toEqual({ ...ids, traceFlags: 1 });
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
