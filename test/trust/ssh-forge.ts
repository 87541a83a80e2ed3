import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Sign } from './signing-bench.ts';

/**
 * SSH signatures that `ssh-keygen -Y sign` does not create, assembled manually (OpenSSH,
 * PROTOCOL.sshsig and PROTOCOL.u2f).
 */

const sshString = (content: Uint8Array | string): Buffer => {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
/** Encodes a positive number for SSH. */
const mpint = (bytes: Buffer): Buffer => {
  const start = bytes.findIndex((byte) => byte !== 0);
  const short = bytes.subarray(start < 0 ? bytes.length : start);
  return sshString((short[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), short]) : short);
};

const APPLICATION = 'ssh:';

interface ForgedKey {
  readonly privateKey: KeyObject;
  readonly blob: Buffer;
  /** Creates the inner signature over the signed data of SSHSIG. */
  readonly sign: (data: Buffer) => Buffer;
  /** Public key as in an allowed signers file. */
  readonly line: string;
}

const jwkOf = (key: KeyObject) => {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return [Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')] as const;
};
const lineOf = (type: string, blob: Buffer): string => `${type} ${blob.toString('base64')}`;

/** @param flags 1 if a user touched the token */
const inToken = (data: Buffer, flags: number) => {
  const counter = Buffer.from([0, 0, 0, 7]);
  const rest = Buffer.concat([Buffer.from([flags]), counter]);
  return { signed: Buffer.concat([sha256(APPLICATION), rest, sha256(data)]), rest };
};

export const ed25519Token = (flags = 1): ForgedKey => {
  const type = 'sk-ssh-ed25519@openssh.com';
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([sshString(type), sshString(jwkOf(publicKey)[0]), sshString(APPLICATION)]);
  return {
    privateKey,
    blob,
    line: lineOf(type, blob),
    sign: (data) => {
      const { signed, rest } = inToken(data, flags);
      return Buffer.concat([sshString(type), sshString(sign(null, signed, privateKey)), rest]);
    },
  };
};

export const ecdsaToken = (flags = 1): ForgedKey => {
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = Buffer.concat([Buffer.from([4]), ...jwkOf(publicKey)]);
  const blob = Buffer.concat([sshString(type), sshString('nistp256'), sshString(point), sshString(APPLICATION)]);
  return {
    privateKey,
    blob,
    line: lineOf(type, blob),
    sign: (data) => {
      const { signed, rest } = inToken(data, flags);
      const numbers = sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const pair = Buffer.concat([mpint(numbers.subarray(0, 32)), mpint(numbers.subarray(32))]);
      return Buffer.concat([sshString(type), sshString(pair), rest]);
    },
  };
};

export const ed25519Key = (): ForgedKey => {
  const type = 'ssh-ed25519';
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([sshString(type), sshString(jwkOf(publicKey)[0])]);
  return {
    privateKey,
    blob,
    line: lineOf(type, blob),
    sign: (data) => Buffer.concat([sshString(type), sshString(sign(null, data, privateKey))]),
  };
};

export interface Envelope {
  readonly reserved?: string;
  readonly hash?: string;
  /** Bytes appended after all fields. */
  readonly tail?: Buffer;
}

export const signWith =
  (key: ForgedKey, { reserved = '', hash = 'sha512', tail = Buffer.alloc(0) }: Envelope = {}): Sign =>
  (payload) => {
    const head = [sshString('git'), sshString(reserved), sshString(hash)];
    const digest = createHash(hash).update(payload).digest();
    const signature = key.sign(Buffer.concat([Buffer.from('SSHSIG'), ...head, sshString(digest)]));
    const parts = [Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1]), sshString(key.blob), ...head, sshString(signature), tail];
    const lines =
      Buffer.concat(parts)
        .toString('base64')
        .match(/.{1,70}/g) ?? [];
    return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`;
  };
