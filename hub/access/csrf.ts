/** What a browser says of where a request comes from. */
export interface RequestOrigin {
  /** Header Origin. */
  readonly origin: string | undefined;
  /** Header Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/). */
  readonly site: string | undefined;
  /** The header that only a script of the same origin can send without being asked first. */
  readonly proof: string | undefined;
}

/** What the browser says alone; enough for a form that brings back a secret of its page. */
export const foreignForm = ({ origin, site }: Omit<RequestOrigin, 'proof'>, ownOrigin: string): string | undefined => {
  if (origin === undefined && site === undefined) return 'neither Origin nor Sec-Fetch-Site says where it comes from';
  if (origin !== undefined && origin !== ownOrigin) return `it comes from the origin ${origin.slice(0, 200)}`;
  if (site !== undefined && site !== 'same-origin') return `Sec-Fetch-Site is ${site.slice(0, 20)}`;
  return undefined;
};

/**
 * Whether a call that changes something, and that came with a cookie, comes from the hub's own pages. Asks for both: what
 * the browser says of the origin, and a header of our own, which another site's script sends only after a preflight that
 * the hub never grants. No word of the browser is a no: every browser of today says at least one of the two.
 *
 * @returns why not; undefined = it does
 */
export const foreignRequest = ({ origin, site, proof }: RequestOrigin, ownOrigin: string): string | undefined => {
  const foreign = foreignForm({ origin, site }, ownOrigin);
  if (foreign !== undefined) return foreign;
  if (proof === undefined || proof === '') return 'the header X-FSO-CSRF is missing';
  return undefined;
};
