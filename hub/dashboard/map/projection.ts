/**
 * Miller's cylindrical projection: a Mercator whose high latitudes are kept small, so that Europe is large enough for its many
 * regions and the poles do not take the page. Snyder, Map Projections: A Working Manual (USGS 1395), section 11.
 */

type Point = readonly [x: number, y: number];

const RADIANS = Math.PI / 180;

/** @param point [longitude, latitude] in degrees @returns x to the east and y to the south, in radians at the equator */
export const project = ([longitude, latitude]: Point): [number, number] => [
  longitude * RADIANS,
  -1.25 * Math.log(Math.tan(Math.PI / 4 + 0.4 * latitude * RADIANS)),
];

/** The way back of {@link project}. */
export const unproject = ([x, y]: Point): [number, number] => [
  x / RADIANS,
  (2.5 * (Math.atan(Math.exp(-0.8 * y)) - Math.PI / 4)) / RADIANS,
];
