import { createHash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time; hashing first hides the length too. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** SHA-256 in hexadecimal. Enough for secrets of 256 random bits: there is nothing to guess that a slow hash would slow down. */
export const hashSecret = (secret: string): string => digest(secret).toString('hex');

/** The same for the same secret, at every hub. Slow on purpose: people choose such secrets, and whoever reads a ledger must not find them by guessing. */
export const fingerprintOf = (secret: string): string => scryptSync(secret, 'fso-static-token', 16).toString('hex');

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

export const newId = (): string => randomBytes(8).toString('hex');
