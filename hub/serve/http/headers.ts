import type { RequestHandler } from 'express';
import helmet from 'helmet';

const YEAR_S = 31_536_000;

/**
 * Content security policy of answers that are no pages: a browser that shows one runs, loads,
 * frames and sends nothing.
 */
const NOTHING = {
  'default-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/**
 * Content security policy of the dashboard: pages run, load and call only what this hub serves.
 * There are no inline styles or scripts, and Trusted Types keep libraries from turning text into
 * scripts.
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
 * Sets the security headers of every answer. The referrer policy is `same-origin`: with
 * `no-referrer` browsers would hide the origin of forms, which is needed to detect foreign calls.
 */
export const secureHeaders = (publicOrigin: string | undefined): RequestHandler =>
  helmet({
    contentSecurityPolicy: { useDefaults: false, directives: NOTHING },
    strictTransportSecurity: publicOrigin?.startsWith('https:') ? { maxAge: YEAR_S, includeSubDomains: false } : false,
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });

/** Forbids caching: every answer is for its caller only, and outdated soon. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.setHeader('Cache-Control', 'no-store');
  next();
};
