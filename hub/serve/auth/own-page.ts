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
  /** Custom header that only scripts of the same origin can send without a CORS preflight. */
  readonly proof: string | undefined;
}

/**
 * Checks the browser's headers. That suffices for a form that returns a secret from its page.
 *
 * @returns the reason why the call is foreign; undefined: it is not
 */
export const foreignForm = ({ origin, site }: Omit<RequestOrigin, 'proof'>, ownOrigin: string): string | undefined => {
  if (origin === undefined && site === undefined) return 'neither Origin nor Sec-Fetch-Site says where it comes from';
  if (origin !== undefined && origin !== ownOrigin) return `it comes from the origin ${origin.slice(0, 200)}`;
  if (site !== undefined && site !== 'same-origin') return `Sec-Fetch-Site is ${site.slice(0, 20)}`;
  return undefined;
};

/**
 * Checks that a state-changing call with a cookie comes from the hub's own pages. Both are
 * required: the browser's headers about the origin, and a custom header, for which another site
 * needs a preflight that the hub never grants. A call without the browser's headers is refused,
 * because every current browser sends at least one.
 *
 * @returns the reason why the call is foreign; undefined: it is not
 */
export const foreignRequest = ({ origin, site, proof }: RequestOrigin, ownOrigin: string): string | undefined => {
  const foreign = foreignForm({ origin, site }, ownOrigin);
  if (foreign !== undefined) return foreign;
  if (proof === undefined || proof === '') return 'the header X-FSO-CSRF is missing';
  return undefined;
};

/**
 * Checks the origin of a browser's call.
 *
 * @returns the reason why the call is foreign; undefined: it is not
 */
export const describeForeignCall = (req: Request, own: string): string | undefined => {
  const foreign = foreignRequest({ origin: req.get('Origin'), site: req.get('Sec-Fetch-Site'), proof: req.get(CSRF_HEADER) }, own);
  return foreign === undefined ? undefined : `The call is not one of this hub's own pages: ${foreign}.`;
};

/**
 * Returns the origin of the hub's own pages for a browser's call: the configured one, or the origin
 * of the call if it names this machine. An attacker could point any other name at this machine (DNS
 * rebinding).
 *
 * @returns `` if unknown: FSO_PUBLIC_URL is not set, and the call used another host name
 */
export const ownOrigin = ({ access }: CookieDeps, req: Request): string => {
  if (access.publicOrigin !== undefined) return access.publicOrigin;
  return isLoopback(req.hostname) ? `http://${req.get('Host')}` : '';
};
