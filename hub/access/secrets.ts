import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '@fso/shared/runtime';
import { EncryptJWT, type JWTPayload, jwtDecrypt } from 'jose';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares secrets in constant time. Hashing first hides their length too. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/**
 * SHA-256 in hex. A slow hash would add nothing for secrets of 256 random bits, which cannot be
 * guessed.
 */
export const hashSecret = (secret: string): string => digest(secret).toString('hex');

const derive = promisify<string, string, number, Buffer>(scrypt);

/**
 * Digest of a secret, equal at every hub. Slow on purpose: people choose these secrets, and a
 * reader of the ledger must not be able to guess them. Computed on another thread.
 */
export const digestOfSecret = async (secret: string): Promise<string> => (await derive(secret, 'fso-static-token', 16)).toString('hex');

/** Creates a secret of 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** Creates a random public id of 16 hexadecimal digits. */
export const newId = (): string => randomBytes(8).toString('hex');

/** Encrypts values that the browser keeps for the hub and can neither read nor forge. */
export interface SealedBox<T> {
  close(value: T): Promise<string>;
  /** @returns undefined if the text is forged, from another process, or too old */
  open(text: string | undefined): Promise<T | undefined>;
}

/**
 * Creates a sealed box. The hub stores nothing that it seals, so nobody can fill its memory. The
 * key is used only by this box of this process.
 * @typeParam T type that can be represented as JSON
 */
export const createSealedBox = <T extends object>(clock: Clock, lifetimeMs: number): SealedBox<T> => {
  const key = randomBytes(32);
  return {
    close: (value) =>
      new EncryptJWT({ ...value } as JWTPayload)
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setExpirationTime(new Date(clock.now().getTime() + lifetimeMs))
        .encrypt(key),
    open: async (text) => {
      if (text === undefined) return undefined;
      try {
        return (await jwtDecrypt<T>(text, key, { currentDate: clock.now() })).payload;
      } catch {
        return undefined;
      }
    },
  };
};
