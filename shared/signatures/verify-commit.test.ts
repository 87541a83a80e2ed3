import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeKey, ObjectBox, signSsh } from '../trust/testing/commits.ts';
import { SignatureError } from './errors.ts';
import { parseSigners, type SignerFiles } from './signers.ts';
import { verifyCommit } from './verify-commit.ts';

/** Cases beside those of test/trust, which compares many more with git, ssh-keygen and gpg. */

const NOW = new Date('2026-01-03T10:30:00Z');
const key = makeKey();
const allowed: SignerFiles = { allowedSigners: `ana@example.org ${key.line}\n` };
const SECONDS = NOW.getTime() / 1000;
const PAYLOAD = `tree ${'1'.repeat(40)}\nauthor Ana <a@b> ${SECONDS} +0000\ncommitter Ana <a@b> ${SECONDS} +0000\n\nChange\n`;

/** Puts a signature before the empty line. */
const signedWith = (signature: string, payload = PAYLOAD): Buffer =>
  Buffer.from(payload.replace('\n\n', `\ngpgsig ${signature.replaceAll('\n', '\n ')}\n\n`), 'latin1');
const verdict = (data: Uint8Array, files: SignerFiles = allowed): string => {
  try {
    return verifyCommit(data, parseSigners(files), NOW).name;
  } catch (error) {
    if (error instanceof SignatureError) return error.code;
    throw error;
  }
};

describe('a commit', () => {
  it('is verified over its bytes, in any encoding', () => {
    const box = new ObjectBox();
    const id = box.commit({ key, time: NOW, message: 'Grüße' });
    expect(verdict(box.objects.get(id)?.data ?? Buffer.alloc(0))).toBe('ana@example.org');
    const latin1 = PAYLOAD.replaceAll('Ana', 'J\xfcrgen');
    expect(verdict(signedWith(signSsh(key, Buffer.from(latin1, 'latin1')), latin1))).toBe('ana@example.org');
  });

  it.each([
    ['no end of its headers', (raw: string) => raw.replace('\n\n', '\n')],
    ['a NUL byte among its headers', (raw: string) => raw.replace('author', 'auth\0or')],
    ['no committer', (raw: string) => raw.replace(/committer.*\n/, '')],
    ['two committers', (raw: string) => raw.replace(/(committer.*\n)/, '$1$1')],
    ['a committer without a time', (raw: string) => raw.replace(/(committer.*>).*\n/, '$1 yesterday\n')],
    ['two signatures', (raw: string) => raw.replace('\ngpgsig', '\ngpgsig abc\ngpgsig')],
    ['a signature of another format beside it', (raw: string) => raw.replace('\ngpgsig', '\ngpgsig-sha256 abc\ngpgsig')],
    ['bytes in its signature that are no text', (raw: string) => raw.replace('SSH SIGNATURE', 'SSH\x80SIGNATURE')],
  ])('is refused with %s', (_what, change) => {
    const raw = signedWith(signSsh(key, Buffer.from(PAYLOAD))).toString('latin1');
    expect(verdict(Buffer.from(change(raw), 'latin1'))).toBe('signature-malformed');
  });

  it('is refused with a signature of another kind', () => {
    expect(verdict(signedWith('-----BEGIN SIGNED MESSAGE-----\nMII=\n-----END SIGNED MESSAGE-----'))).toBe('signature-unsupported');
  });
});

/** OpenPGP keys of version 4 with Ed25519 as RFC 9580 has it, which gpg 2.2 cannot make. */
describe('OpenPGP algorithm 27', () => {
  const pair = generateKeyPairSync('ed25519');
  const publicBytes = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
  const uint32 = (value: number): Buffer => Buffer.concat([uint16(value >>> 16), uint16(value & 0xffff)]);
  const packet = (tag: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([0xc0 | tag, 255]), uint32(body.length), body]);
  const subpacket = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([body.length + 1, type]), body]);
  const armor = (kind: string, bytes: Buffer): string =>
    `-----BEGIN PGP ${kind}-----\n\n${bytes
      .toString('base64')
      .match(/.{1,64}/g)
      ?.join('\n')}\n-----END PGP ${kind}-----`;

  const keyBody = Buffer.concat([Buffer.from([4]), uint32(SECONDS - 3600), Buffer.from([27]), publicBytes]);
  const hashedKey = Buffer.concat([Buffer.from([0x99]), uint16(keyBody.length), keyBody]);
  const fingerprint = createHash('sha1').update(hashedKey).digest();
  const userId = Buffer.from('Ana <ana@example.org>');

  interface SignatureOptions {
    readonly extra?: Buffer;
    readonly by?: KeyObject;
    readonly hash?: string;
    readonly hashId?: number;
  }
  const signature = (
    type: number,
    data: Buffer,
    { extra, by = pair.privateKey, hash = 'sha512', hashId = 10 }: SignatureOptions = {},
  ): Buffer => {
    const hashed = Buffer.concat([
      subpacket(2, uint32(SECONDS)),
      subpacket(33, Buffer.concat([Buffer.from([4]), fingerprint])),
      extra ?? Buffer.alloc(0),
    ]);
    const head = Buffer.concat([Buffer.from([4, type, 27, hashId]), uint16(hashed.length), hashed]);
    const digest = createHash(hash)
      .update(Buffer.concat([data, head, Buffer.from([4, 255]), uint32(head.length)]))
      .digest();
    return packet(2, Buffer.concat([head, uint16(0), digest.subarray(0, 2), sign(null, digest, by)]));
  };
  const certified = Buffer.concat([hashedKey, Buffer.from([0xb4]), uint32(userId.length), userId]);
  const keyringWith = (selfSignature: Buffer): SignerFiles => ({
    keyring: armor('PUBLIC KEY BLOCK', Buffer.concat([packet(6, keyBody), packet(13, userId), selfSignature])),
  });
  const flags = (value: number): Buffer => subpacket(27, Buffer.from([value]));
  const keyring = keyringWith(signature(0x13, certified, { extra: flags(3) }));
  const commit = (options: SignatureOptions = {}): Buffer => signedWith(armor('SIGNATURE', signature(0, Buffer.from(PAYLOAD), options)));

  it('signs', () => {
    expect(verdict(commit(), keyring)).toBe('Ana <ana@example.org>');
    expect(verdict(commit({ by: generateKeyPairSync('ed25519').privateKey }), keyring)).toBe('signature-invalid');
    expect(verdict(commit({ hash: 'sha1', hashId: 2 }), keyring)).toBe('signature-unsupported');
    expect(verdict(commit({ extra: subpacket(0x80 | 99, Buffer.from([1])) }), keyring)).toBe('signature-unsupported');
    expect(verdict(commit({ extra: subpacket(2, uint32(SECONDS)) }), keyring)).toBe('signature-malformed');
    expect(verdict(commit({ extra: subpacket(33, Buffer.concat([Buffer.from([4]), Buffer.alloc(20, 7)])) }), keyring)).toBe(
      'signer-unknown',
    );
  });

  it('requires a key with a valid statement of its own that it signs', () => {
    const useless = [
      signature(0x13, certified, { extra: flags(1) }),
      signature(0x13, certified),
      signature(0x13, certified, { extra: flags(3), hash: 'sha1', hashId: 2 }),
      signature(0x13, Buffer.from('another user id'), { extra: flags(3) }),
      signature(0x13, certified, { extra: flags(3), by: generateKeyPairSync('ed25519').privateKey }),
    ];
    for (const selfSignature of useless) expect(() => parseSigners(keyringWith(selfSignature))).toThrow('no key that may sign');
  });

  it('rejects a signature made after the key expired', () => {
    const until = (seconds: number) =>
      keyringWith(signature(0x13, certified, { extra: Buffer.concat([flags(3), subpacket(9, uint32(seconds))]) }));
    expect(verdict(commit(), until(3601))).toBe('Ana <ana@example.org>');
    expect(verdict(commit(), until(3600))).toBe('signer-not-valid');
    const brief = keyringWith(signature(0x13, certified, { extra: Buffer.concat([flags(3), subpacket(3, uint32(0xffff))]) }));
    expect(verdict(commit(), brief)).toBe('Ana <ana@example.org>');
    const later = new Date(NOW.getTime() + 0x10000 * 1000);
    const payload = PAYLOAD.replaceAll(String(SECONDS), String(later.getTime() / 1000));
    const late = signedWith(armor('SIGNATURE', signature(0, Buffer.from(payload))), payload);
    expect(() => verifyCommit(late, parseSigners(brief), later)).toThrow('it expired');
  });

  it('honours a revocation of a key by any of its keys', () => {
    const revoked = Buffer.concat([
      packet(6, keyBody),
      packet(2, Buffer.from([4, 0x20])),
      packet(13, userId),
      signature(0x13, certified, { extra: flags(3) }),
    ]);
    expect(() => parseSigners({ keyring: armor('PUBLIC KEY BLOCK', revoked) })).toThrow('no key that may sign');
  });
});
