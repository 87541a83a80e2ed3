import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { project, unproject } from './projection.ts';

describe("Miller's projection", () => {
  it('has the equator and the prime meridian in the middle, north up and east right', () => {
    expect(project([0, 0])).toEqual([0, expect.closeTo(0)]);
    const [x, y] = project([10, 50]);
    expect(x).toBeGreaterThan(0);
    expect(y).toBeLessThan(0);
  });

  it('has the pole where Snyder computes it', () => {
    expect(project([0, 90])[1]).toBeCloseTo(-2.3034125, 5);
  });

  it('finds the way back from everywhere', () => {
    fc.assert(
      fc.property(fc.double({ min: -180, max: 180, noNaN: true }), fc.double({ min: -90, max: 90, noNaN: true }), (longitude, latitude) => {
        const [back, forth] = unproject(project([longitude, latitude]));
        expect(back).toBeCloseTo(longitude, 6);
        expect(forth).toBeCloseTo(latitude, 6);
      }),
    );
  });
});
