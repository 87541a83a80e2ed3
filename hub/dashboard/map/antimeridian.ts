import type { Geometry, Position } from 'geojson';

/** On a flat map a border that crosses the 180th meridian would be drawn once around the world. */

const crosses = (ring: readonly Position[]): boolean =>
  ring.some(([longitude = 0], index) => Math.abs(longitude - (ring[index - 1]?.[0] ?? longitude)) > 180);

/** What is west of the meridian is drawn east of it, beyond 180°: Chukotka stays with Russia. */
const unwrapRing = (ring: readonly Position[]): Position[] =>
  crosses(ring) ? ring.map(([longitude = 0, latitude = 0]) => [longitude < 0 ? longitude + 360 : longitude, latitude]) : [...ring];

/** @returns the same shape, of which no border goes around the world */
export const unwrap = (geometry: Geometry): Geometry => {
  if (geometry.type === 'Polygon') return { ...geometry, coordinates: geometry.coordinates.map(unwrapRing) };
  if (geometry.type === 'MultiPolygon') return { ...geometry, coordinates: geometry.coordinates.map((polygon) => polygon.map(unwrapRing)) };
  return geometry;
};
