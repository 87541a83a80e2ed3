import type { CookieOptions, Request, Response } from 'express';
import type { ApiDeps } from '../types.ts';

/**
 * Cookies of the hub. Over TLS they have the prefix `__Host-`: a browser takes such a one only from this very host, over TLS,
 * for all paths (https://www.rfc-editor.org/rfc/rfc6265#section-4.1; rfc6265bis, 4.1.3.2). Plain HTTP is for this machine only.
 */
type CookieName = 'fso' | 'fso-login';

const isSecure = ({ access }: ApiDeps): boolean => access.publicOrigin?.startsWith('https:') ?? false;
const fullName = (deps: ApiDeps, name: CookieName): string => (isSecure(deps) ? `__Host-${name}` : name);

/** Lax: also sent when somebody follows a link to the hub, or comes back from the provider; never with a foreign POST. */
const options = (deps: ApiDeps): CookieOptions => ({ httpOnly: true, secure: isSecure(deps), sameSite: 'lax', path: '/' });

/** The first of that name; what the hub sets is one of its own alphabet, so nothing is decoded. */
export const readCookie = (deps: ApiDeps, req: Request, name: CookieName): string | undefined => {
  const wanted = `${fullName(deps, name)}=`;
  for (const part of (req.get('Cookie') ?? '').split(';')) {
    const cookie = part.trim();
    if (cookie.startsWith(wanted)) return cookie.slice(wanted.length);
  }
  return undefined;
};

/** @param maxAgeMs without one it lasts until the browser closes, at most */
export const setCookie = (deps: ApiDeps, res: Response, name: CookieName, cookie: { value: string; maxAgeMs?: number }): void => {
  const { value, maxAgeMs } = cookie;
  res.cookie(fullName(deps, name), value, { ...options(deps), ...(maxAgeMs === undefined ? {} : { maxAge: maxAgeMs }) });
};

export const clearCookie = (deps: ApiDeps, res: Response, name: CookieName): void => {
  res.clearCookie(fullName(deps, name), options(deps));
};
