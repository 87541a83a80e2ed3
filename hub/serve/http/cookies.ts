import type { CookieOptions, Request, Response } from 'express';

/** Address of the hub, which determines the attributes of cookies. */
export interface CookieDeps {
  readonly access: {
    /** Origin at which browsers reach the hub; undefined: only from this machine. */
    readonly publicOrigin: string | undefined;
  };
}

/**
 * Names of cookies. Over TLS they have the prefix `__Host-`: browsers accept such a cookie only
 * from this host, over TLS, for all paths (https://www.rfc-editor.org/rfc/rfc6265#section-4.1;
 * rfc6265bis, 4.1.3.2). Plain HTTP is only for this machine.
 */
type CookieName = 'fso' | 'fso-login';

const isSecure = ({ access }: CookieDeps): boolean => access.publicOrigin?.startsWith('https:') ?? false;
const fullName = (deps: CookieDeps, name: CookieName): string => (isSecure(deps) ? `__Host-${name}` : name);

/**
 * Attributes of cookies. With `lax`, browsers also send them after a link to the hub or a redirect
 * from the provider, but never with a cross-site POST.
 */
const options = (deps: CookieDeps): CookieOptions => ({ httpOnly: true, secure: isSecure(deps), sameSite: 'lax', path: '/' });

/**
 * Reads a cookie of a request.
 *
 * @returns the raw value of the first cookie with that name; the hub sets none that needs decoding
 */
export const readCookie = (deps: CookieDeps, req: Request, name: CookieName): string | undefined => {
  const wanted = `${fullName(deps, name)}=`;
  for (const part of (req.get('Cookie') ?? '').split(';')) {
    const cookie = part.trim();
    if (cookie.startsWith(wanted)) return cookie.slice(wanted.length);
  }
  return undefined;
};

/** Sets a cookie. @param maxAgeMs default: until the browser closes */
export const setCookie = (deps: CookieDeps, res: Response, name: CookieName, cookie: { value: string; maxAgeMs?: number }): void => {
  const { value, maxAgeMs } = cookie;
  res.cookie(fullName(deps, name), value, { ...options(deps), ...(maxAgeMs === undefined ? {} : { maxAge: maxAgeMs }) });
};

/** Deletes a cookie. */
export const clearCookie = (deps: CookieDeps, res: Response, name: CookieName): void => {
  res.clearCookie(fullName(deps, name), options(deps));
};
