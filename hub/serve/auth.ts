import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { ApiError } from './problems.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time; hashing first hides the length too. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

const BEARER = /^Bearer +(\S+)$/i;

/** RFC 6750. Without a configured token everybody may read. */
export const requireToken =
  (token: string | undefined): RequestHandler =>
  (req, _res, next) => {
    if (token === undefined) return next();
    const given = BEARER.exec(req.get('Authorization') ?? '')?.[1];
    if (given !== undefined && sameSecret(given, token)) return next();
    const detail = given === undefined ? 'Send the header Authorization: Bearer <token>.' : 'The token is not the one of this hub.';
    throw new ApiError('unauthorized', detail, { 'WWW-Authenticate': 'Bearer realm="fso"' });
  };
