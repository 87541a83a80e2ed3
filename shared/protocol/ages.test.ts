import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAges, encodeAges, OBSERVED_KINDS, ROUND_PARTS } from './ages.ts';

const NAMES = ['Pause', ...ROUND_PARTS, ...OBSERVED_KINDS];
const Milliseconds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('the ages in a pong', () => {
  it('survive encoding', () => {
    const property = fc.property(Milliseconds, Milliseconds, fc.subarray(NAMES), (oldestPartMs, oldestKindMs, outOfDate) => {
      const ages = { oldestPartMs, oldestKindMs, outOfDate };
      expect(decodeAges(encodeAges(ages))).toEqual(ages);
    });
    fc.assert(property);
  });

  it('are rounded up and bounded', () => {
    const decoded = decodeAges(encodeAges({ oldestPartMs: 0.2, oldestKindMs: Number.POSITIVE_INFINITY, outOfDate: [] }));
    expect(decoded).toEqual({ oldestPartMs: 1, oldestKindMs: 2 ** 32 - 1, outOfDate: [] });
  });

  it('are absent from the pong of an earlier version', () => {
    expect(decodeAges(Buffer.alloc(0))).toBeUndefined();
    expect(decodeAges(Buffer.alloc(13))).toBeUndefined();
  });

  it('name an unknown bit', () => {
    const data = Buffer.alloc(12);
    data.writeUInt32BE(2 ** 31, 8);
    expect(decodeAges(data)?.outOfDate).toEqual(['bit-31']);
  });
});
