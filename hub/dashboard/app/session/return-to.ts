/** Where a login goes on: a path of this origin, else the overview; the hub's hub/access/return-to.ts judges the same way. */
export const safeReturnTo = (wanted: string | undefined, origin: string): string => {
  if (wanted === undefined || !wanted.startsWith('/')) return '/';
  const url = URL.parse(wanted, origin);
  if (url?.origin !== origin) return '/';
  const path = url.pathname + url.search + url.hash;
  return path.startsWith('//') || url.pathname === '/login' ? '/' : path;
};
