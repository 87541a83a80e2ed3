/**
 * Whether a time (RFC 3339) is after another. Times of agents are all written in one way, in which their text has their
 * order; only others have to be read.
 */
export const isLater = (a: string, b: string): boolean =>
  a.length === b.length && a.endsWith('Z') && b.endsWith('Z') ? a > b : Date.parse(a) > Date.parse(b);
