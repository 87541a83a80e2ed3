import { randomBytes } from 'node:crypto';
import type { Clock } from '@fso/shared/runtime';
import { EncryptJWT, type JWTPayload, jwtDecrypt } from 'jose';

/** Something in the browser's hands but not in its sight: encrypted, so it can be neither read nor made up. */
export interface Seal<T> {
  close(value: T): Promise<string>;
  /** @returns undefined for what was made up, is of another process, or too old */
  open(text: string | undefined): Promise<T | undefined>;
}

/**
 * The hub keeps nothing of what it seals, so nobody can fill its memory with it. The key is of this process and this seal.
 *
 * @typeParam T what JSON can hold
 */
export const createSeal = <T extends object>(clock: Clock, lifetimeMs: number): Seal<T> => {
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
