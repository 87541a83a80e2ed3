import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time; hashing first hides the length too. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** SHA-256 in hexadecimal. Enough for secrets of 256 random bits: there is nothing to guess that a slow hash would slow down. */
export const hashSecret = (secret: string): string => digest(secret).toString('hex');

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

export const newId = (): string => randomBytes(8).toString('hex');
