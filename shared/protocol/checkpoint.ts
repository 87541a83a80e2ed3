import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { sha256 } from '../encoding/index.ts';

/**
 * Checkpoints of the hub's audit log. The hash of an entry covers the hash of the previous entry,
 * so one hash stands for the whole log up to it. With a signed hash in other hands, the hub cannot
 * rewrite the log later.
 */

/** SHA-256, 64 hexadecimal digits. */
export const Hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest in hex');

/** Signed head of the audit log. It covers every entry up to `sequence`. */
export const Checkpoint = z.strictObject({
  /** Number of the last covered entry. The first entry has 1. */
  sequence: z.int().min(1),
  hash: Hash,
  time: z.iso.datetime({ offset: true }),
  /** Public audit key of the hub: Ed25519, raw, base64url. */
  key: z.string().regex(/^[\w-]{43}$/, 'must be an Ed25519 public key'),
  /** Ed25519 signature of {@link checkpointText}, base64url. */
  signature: z.string().regex(/^[\w-]{86}$/, 'must be an Ed25519 signature'),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

/** Hash before the first entry. */
export const NO_HASH: string = '0'.repeat(64);

/**
 * Hash of an entry. With the digests alone, without the entries, a reader can follow the log from
 * one hash to a later one.
 */
export const chainHash = (previous: string, digest: string): string => sha256(`${previous}\n${digest}`);

/** Text of a checkpoint that is signed. */
export const checkpointText = ({ sequence, hash, time }: Pick<Checkpoint, 'sequence' | 'hash' | 'time'>): string =>
  `fso-audit-checkpoint-v1\n${sequence}\n${hash}\n${time}\n`;

const publicKey = (key: string): KeyObject => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });

/** Whether the key that a checkpoint names has signed it. Never throws. */
export const isSigned = (checkpoint: Checkpoint): boolean => {
  try {
    const signature = Buffer.from(checkpoint.signature, 'base64url');
    return verify(null, Buffer.from(checkpointText(checkpoint)), publicKey(checkpoint.key), signature);
  } catch {
    return false;
  }
};
