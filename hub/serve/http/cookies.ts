import type { CookieOptions, Request, Response } from 'express';

/** Address of the hub, on which the attributes of cookies depend. */
export interface CookieDeps {
  readonly access: {
    /** Origin at which browsers reach the hub, without a path; undefined: only on this machine. */
    readonly publicOrigin: string | undefined;
  };
}

/**
 * Cookies of the hub. Over TLS they have the prefix `__Host-`: a browser takes such a one only from
 * this very host, over TLS, for all paths (https://www.rfc-editor.org/rfc/rfc6265#section-4.1;
 * rfc6265bis, 4.1.3.2). Plain HTTP is for this machine only.
 */
type CookieName = 'fso' | 'fso-login';

const isSecure = ({ access }: CookieDeps): boolean => access.publicOrigin?.startsWith('https:') ?? false;
const fullName = (deps: CookieDeps, name: CookieName): string => (isSecure(deps) ? `__Host-${name}` : name);

/**
 * Lax: browsers also send it when a person follows a link to the hub or returns from the provider,
 * never with a foreign POST.
 */
const options = (deps: CookieDeps): CookieOptions => ({ httpOnly: true, secure: isSecure(deps), sameSite: 'lax', path: '/' });

/**
 * Reads a cookie of a request.
 *
 * @returns the first cookie of that name, as it is: the hub sets none that needs decoding
 */
export const readCookie = (deps: CookieDeps, req: Request, name: CookieName): string | undefined => {
  const wanted = `${fullName(deps, name)}=`;
  for (const part of (req.get('Cookie') ?? '').split(';')) {
    const cookie = part.trim();
    if (cookie.startsWith(wanted)) return cookie.slice(wanted.length);
  }
  return undefined;
};

/**
 * Sets a cookie of the hub.
 *
 * @param maxAgeMs without one it lasts until the browser closes, at most
 */
export const setCookie = (deps: CookieDeps, res: Response, name: CookieName, cookie: { value: string; maxAgeMs?: number }): void => {
  const { value, maxAgeMs } = cookie;
  res.cookie(fullName(deps, name), value, { ...options(deps), ...(maxAgeMs === undefined ? {} : { maxAge: maxAgeMs }) });
};

/** Makes the browser drop a cookie of the hub. */
export const clearCookie = (deps: CookieDeps, res: Response, name: CookieName): void => {
  res.clearCookie(fullName(deps, name), options(deps));
};
