import { describe, expect, it } from 'vitest';
import { unwrap, WORLD_MAP } from './world.ts';

describe('unwrap', () => {
  it('continues lines beyond 180°', () => {
    const ring = [
      [170, 60],
      [-170, 60],
      [-170, 70],
      [170, 60],
    ];
    expect(unwrap({ type: 'Polygon', coordinates: [ring] })).toEqual({
      type: 'Polygon',
      coordinates: [
        [
          [170, 60],
          [190, 60],
          [190, 70],
          [170, 60],
        ],
      ],
    });
  });

  it('leaves lines that do not cross the meridian', () => {
    const polygon = {
      type: 'Polygon' as const,
      coordinates: [
        [
          [-10, 50],
          [10, 50],
          [10, 60],
          [-10, 50],
        ],
      ],
    };
    expect(unwrap(polygon)).toEqual(polygon);
  });
});

it('draws no country around the whole world, Russia included', () => {
  const rings = WORLD_MAP.features.flatMap(({ geometry }) => {
    if (geometry.type === 'Polygon') return geometry.coordinates;
    return geometry.type === 'MultiPolygon' ? geometry.coordinates.flat() : [];
  });
  const jumps = rings.filter((ring) => ring.some(([x = 0], index) => Math.abs(x - (ring[index - 1]?.[0] ?? x)) > 180));
  expect(jumps).toEqual([]);
  expect(WORLD_MAP.features.map(({ properties }) => properties?.['name'])).toEqual(expect.arrayContaining(['Russia', 'Fiji', 'Germany']));
});
