// The X.509 library finds its algorithms by decorators, which need this first.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509';

/** Certificate requests for tests: right ones, and ones that claim too much. */

/** Certificate request with its private key. */
export interface MadeRequest {
  /** PEM. */
  readonly csr: string;
  /** PEM. */
  readonly key: string;
}

/** Names that a request claims for its certificate. */
export interface RequestClaims {
  /** Subject that the request claims, e.g. `CN=eu`. */
  readonly subject?: string;
  readonly uri?: string;
}

/** Kind of a key, with the signature hash where it is unusual. */
export type KeyKind = 'p256' | 'p384' | 'p521' | 'rsa1024' | 'rsa2048' | 'rsa2048-sha1' | 'ed25519';

type Algorithm = webcrypto.Algorithm & { readonly hash?: string; readonly namedCurve?: string };
const rsa = (hash: string): Algorithm => ({ name: 'RSASSA-PKCS1-v1_5', hash });
const ALGORITHMS: Readonly<Record<KeyKind, Algorithm>> = {
  p256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  p384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  p521: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  rsa1024: rsa('SHA-256'),
  rsa2048: rsa('SHA-256'),
  'rsa2048-sha1': rsa('SHA-1'),
  ed25519: { name: 'Ed25519' },
};

const newKey = (kind: KeyKind): KeyObject => {
  const { name, namedCurve } = ALGORITHMS[kind];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve }).privateKey;
  if (name === 'Ed25519') return generateKeyPairSync('ed25519').privateKey;
  return generateKeyPairSync('rsa', { modulusLength: kind === 'rsa1024' ? 1024 : 2048 }).privateKey;
};

const sign = async (privateKey: KeyObject, kind: KeyKind, { subject, uri }: RequestClaims): Promise<string> => {
  const algorithm = ALGORITHMS[kind] as webcrypto.EcKeyImportParams;
  const keys = {
    privateKey: privateKey.toCryptoKey(algorithm, true, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ['verify']),
  };
  const extensions = uri === undefined ? [] : [new SubjectAlternativeNameExtension([{ type: 'url', value: uri }])];
  const name = subject ?? 'CN=ignored';
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: algorithm, extensions });
  return request.toString('pem');
};

/** A request with a new key. */
export const makeRequest = async (claims: RequestClaims = {}, kind: KeyKind = 'p256'): Promise<MadeRequest> => {
  const privateKey = newKey(kind);
  return { csr: await sign(privateKey, kind, claims), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};

/** A request with a key on P-256 that is there. */
export const requestFor = (keyPem: string): Promise<string> => sign(createPrivateKey(keyPem), 'p256', {});
