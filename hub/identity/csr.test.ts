import { describe, expect, it } from 'vitest';
import { readRequest } from './csr.ts';
import { type KeyKind, makeRequest, requestFor } from './testing/identity.ts';

const reasonOf = async (pem: string): Promise<string> => {
  const error: unknown = await readRequest(pem).catch((reason: unknown) => reason);
  return error instanceof Error ? error.message : 'taken';
};
/** Changes one bit of the DER. */
const flip = (pem: string, at: number): string => {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const index = at < 0 ? der.length + at : at;
  der[index] = (der[index] ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
};

describe('a certificate request', () => {
  it('gives its key, and the same for the same key', async () => {
    const { csr, key } = await makeRequest({ subject: 'CN=us', uri: 'fso://cluster/us' });
    const first = await readRequest(csr);
    expect(first.digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await readRequest(await requestFor(key))).digest).toBe(first.digest);
    expect((await readRequest((await makeRequest()).csr)).digest).not.toBe(first.digest);
  });

  it.each<[KeyKind, string]>([
    ['p256', 'taken'],
    ['p384', 'taken'],
    ['rsa2048', 'taken'],
    ['rsa1024', 'too weak or of another kind'],
    ['p521', 'too weak or of another kind'],
    ['ed25519', 'too weak or of another kind'],
    ['rsa2048-sha1', 'is not signed with one of'],
  ])('is accepted or refused with a key of the kind %s: %s', async (kind, answer) => {
    expect(await reasonOf((await makeRequest({}, kind)).csr)).toContain(answer);
  });

  it('is refused when its key did not sign it', async () => {
    const { csr } = await makeRequest();
    expect(await reasonOf(flip(csr, -1))).toMatch(/not signed by the key|cannot be parsed/);
    expect(await reasonOf(flip(csr, 20))).toMatch(/not signed by the key|cannot be parsed/);
  });

  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['another block', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'],
    ['broken DER', '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----'],
    [
      'deep nesting',
      `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.alloc(9_000, Buffer.from('3080', 'hex')).toString('base64')}\n-----END CERTIFICATE REQUEST-----`,
    ],
  ])('is refused as %s', async (_name, pem) => {
    expect(await reasonOf(pem)).toMatch(/^the certificate request (is not one PEM block|cannot be parsed)/);
  });

  it('is refused when there are two', async () => {
    const { csr } = await makeRequest();
    expect(await reasonOf(`${csr}\n${csr}`)).toContain('is not one PEM block');
  });
});
