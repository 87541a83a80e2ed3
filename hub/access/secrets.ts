import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '@fso/shared/runtime';
import { EncryptJWT, type JWTPayload, jwtDecrypt } from 'jose';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time; hashing first hides the length too. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/**
 * SHA-256 in hexadecimal. Enough for secrets of 256 random bits: there is nothing to guess that a
 * slow hash would slow down.
 */
export const hashSecret = (secret: string): string => digest(secret).toString('hex');

const derive = promisify<string, string, number, Buffer>(scrypt);

/**
 * Equal for equal secrets, at every hub. Slow on purpose: people choose such secrets, and a reader
 * of the ledger must not find them by guessing. Computed beside this thread, which others share.
 */
export const digestOfSecret = async (secret: string): Promise<string> => (await derive(secret, 'fso-static-token', 16)).toString('hex');

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** Makes a random public id: 16 hexadecimal digits. */
export const newId = (): string => randomBytes(8).toString('hex');

/**
 * A value that the browser keeps for the hub: encrypted, so the browser can neither read nor forge
 * it.
 */
export interface SealedBox<T> {
  close(value: T): Promise<string>;
  /** @returns undefined for a forged text, one of another process, or one that is too old */
  open(text: string | undefined): Promise<T | undefined>;
}

/**
 * The hub keeps nothing of what it seals, so nobody can fill its memory with it. The key is of this
 * process and this seal.
 *
 * @typeParam T what JSON can hold
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
