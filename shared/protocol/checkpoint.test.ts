import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { type Checkpoint, checkpointText, isSigned } from './checkpoint.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = String(publicKey.export({ format: 'jwk' }).x);
const content = { sequence: 7, hash: 'a'.repeat(64), time: '2026-01-03T10:30:00.000Z' };
const checkpoint: Checkpoint = {
  ...content,
  key,
  signature: sign(null, Buffer.from(checkpointText(content)), privateKey).toString('base64url'),
};

it('a checkpoint is signed as a whole', () => {
  expect(isSigned(checkpoint)).toBe(true);
  const other = String(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x);
  for (const change of [{ sequence: 8 }, { hash: 'b'.repeat(64) }, { time: '2026-01-03T10:30:01.000Z' }, { key: other }, { key: 'x' }])
    expect(isSigned({ ...checkpoint, ...change })).toBe(false);
});
