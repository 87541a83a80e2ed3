import { CSRF_HEADER } from '@fso/shared/api';
import { isLoopback } from '@fso/shared/runtime';
import type { Request } from 'express';
import type { CookieDeps } from '../http/cookies.ts';

/** Headers that show where a browser's request comes from. */
export interface RequestOrigin {
  /** Header Origin. */
  readonly origin: string | undefined;
  /** Header Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/). */
  readonly site: string | undefined;
  /** The header that only a script of the same origin can send without being asked first. */
  readonly proof: string | undefined;
}

/** The browser's own headers; they suffice for a form that returns a secret of its page. */
export const foreignForm = ({ origin, site }: Omit<RequestOrigin, 'proof'>, ownOrigin: string): string | undefined => {
  if (origin === undefined && site === undefined) return 'neither Origin nor Sec-Fetch-Site says where it comes from';
  if (origin !== undefined && origin !== ownOrigin) return `it comes from the origin ${origin.slice(0, 200)}`;
  if (site !== undefined && site !== 'same-origin') return `Sec-Fetch-Site is ${site.slice(0, 20)}`;
  return undefined;
};

/**
 * Whether a call that changes something, and that came with a cookie, comes from the hub's own
 * pages. It takes both: the browser's headers about the origin, and a header of our own, which
 * another site's script sends only after a preflight that the hub never grants. A call without the
 * browser's headers is refused: every current browser sends at least one of them.
 *
 * @returns why not; undefined = it does
 */
export const foreignRequest = ({ origin, site, proof }: RequestOrigin, ownOrigin: string): string | undefined => {
  const foreign = foreignForm({ origin, site }, ownOrigin);
  if (foreign !== undefined) return foreign;
  if (proof === undefined || proof === '') return 'the header X-FSO-CSRF is missing';
  return undefined;
};

/**
 * Checks where a call of a browser comes from.
 *
 * @returns why a call does not come from a page of the hub; undefined = it does
 */
export const describeForeignCall = (req: Request, own: string): string | undefined => {
  const foreign = foreignRequest({ origin: req.get('Origin'), site: req.get('Sec-Fetch-Site'), proof: req.get(CSRF_HEADER) }, own);
  return foreign === undefined ? undefined : `The call is not one of this hub's own pages: ${foreign}.`;
};

/**
 * Origin of the hub's own pages, for a call from a browser: the configured one, else the one that
 * the call went to if that is this machine. Any other name could be one that an attacker points at
 * this machine (DNS rebinding).
 *
 * @returns `` if the origin is unknown: FSO_PUBLIC_URL is not set, and the call used the name of
 * another machine
 */
export const ownOrigin = ({ access }: CookieDeps, req: Request): string => {
  if (access.publicOrigin !== undefined) return access.publicOrigin;
  return isLoopback(req.hostname) ? `http://${req.get('Host')}` : '';
};
