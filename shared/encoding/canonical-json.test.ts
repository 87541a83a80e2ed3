import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';

describe('canonicalJson', () => {
  it('orders keys as RFC 8785 does, those that are numbers too', () => {
    expect(canonicalJson({ 9: 2, 10: 1 })).toBe('{"10":1,"9":2}');
    // The example of RFC 8785, section 3.2.3.
    const sorted = { '\u20ac': 1, '\r': 2, '\ufb33': 3, 1: 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(sorted)).toHaveLength(7);
    expect(canonicalJson(sorted)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
  });

  it('writes the content of JSON.stringify in another order', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    const odd = { b: undefined, a: [undefined, new Date(0)], c: { toJSON: () => ({ z: 1, y: 2 }) } };
    expect(canonicalJson(odd)).toBe('{"a":[null,"1970-01-01T00:00:00.000Z"],"c":{"y":2,"z":1}}');
  });
});
