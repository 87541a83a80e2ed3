const FRAGMENT = /^#token=([^&]+)$/;

type Place = Pick<Location, 'pathname' | 'hash'>;
/** Whether an address has an API token in its fragment. */
export const hasLinkToken = ({ pathname, hash }: Place): boolean => pathname === '/login' && FRAGMENT.test(hash);

/**
 * Removes the token from `/login#token=…` and returns it. Fragments are not sent to servers. Since
 * this runs first, the token stays neither in the address bar nor in the history.
 */
export const takeLinkToken = (location: Place & Pick<Location, 'search'>, history: Pick<History, 'replaceState'>): string | undefined => {
  const token = FRAGMENT.exec(location.hash)?.[1];
  if (!hasLinkToken(location) || token === undefined) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return decodeURIComponent(token);
};

/**
 * Returns the path at which the browser continues after a login: a path of this origin, else the
 * overview. Must agree with hub/access/login.ts.
 */
export const safeReturnTo = (wanted: string | undefined, origin: string): string => {
  if (wanted === undefined || !wanted.startsWith('/')) return '/';
  const url = URL.parse(wanted, origin);
  if (url?.origin !== origin) return '/';
  const path = url.pathname + url.search + url.hash;
  return path.startsWith('//') || url.pathname === '/login' ? '/' : path;
};
