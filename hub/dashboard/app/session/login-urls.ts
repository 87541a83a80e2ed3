const FRAGMENT = /^#token=([^&]+)$/;

type Place = Pick<Location, 'pathname' | 'hash'>;
/** Whether an address carries an API token in its fragment. */
export const hasLinkToken = ({ pathname, hash }: Place): boolean => pathname === '/login' && FRAGMENT.test(hash);

/**
 * Takes the token out of `/login#token=…`. A fragment is not sent to any server; taken out before
 * anything else runs, it does not stay in the address bar or among the pages to go back to either.
 */
export const takeLinkToken = (location: Place & Pick<Location, 'search'>, history: Pick<History, 'replaceState'>): string | undefined => {
  const token = FRAGMENT.exec(location.hash)?.[1];
  if (!hasLinkToken(location) || token === undefined) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return decodeURIComponent(token);
};

/**
 * Path of this origin at which the browser continues after a login, else the overview;
 * hub/access/login.ts decides in the same way.
 */
export const safeReturnTo = (wanted: string | undefined, origin: string): string => {
  if (wanted === undefined || !wanted.startsWith('/')) return '/';
  const url = URL.parse(wanted, origin);
  if (url?.origin !== origin) return '/';
  const path = url.pathname + url.search + url.hash;
  return path.startsWith('//') || url.pathname === '/login' ? '/' : path;
};
