import type { RequestHandler } from 'express';
import helmet from 'helmet';

const YEAR_S = 31_536_000;

/**
 * Policy for answers that are no pages: a browser that shows one runs, loads, frames and sends
 * nothing.
 */
const NOTHING = {
  'default-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/**
 * Policy for the pages of the dashboard: they run, load and call only what this hub serves. The
 * pages have no inline style or script, and no text becomes a script: the browser refuses libraries
 * that would make one (Trusted Types).
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join(';');

/**
 * Headers of every answer. `same-origin` as the referrer policy, as with `no-referrer` browsers also hide the origin of
 * forms, by which a foreign call is told from an own one.
 */
export const secureHeaders = (publicOrigin: string | undefined): RequestHandler =>
  helmet({
    contentSecurityPolicy: { useDefaults: false, directives: NOTHING },
    strictTransportSecurity: publicOrigin?.startsWith('https:') ? { maxAge: YEAR_S, includeSubDomains: false } : false,
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });

/** Forbids caches to keep answers: each is for its caller only, and soon outdated. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.setHeader('Cache-Control', 'no-store');
  next();
};
