/** Anything, as long as it is another origin than every real one. */
const BASE = 'https://hub.invalid';

/**
 * Where a login goes on: a path of this hub, else `/`. A URL parser reads backslashes as slashes, drops tabs and line breaks
 * and takes `//host` for another host; so the text goes through one, and only what stayed on its origin is used.
 */
export const safeReturnTo = (wanted: unknown): string => {
  if (typeof wanted !== 'string' || !wanted.startsWith('/') || wanted.length > 2048) return '/';
  const url = URL.parse(wanted, BASE);
  if (url?.origin !== BASE) return '/';
  const path = url.pathname + url.search + url.hash;
  // `/.//host` is a path of this origin whose text alone names another host.
  return path.startsWith('//') ? '/' : path;
};
