// Required first: the X.509 library registers its algorithms by decorators.
import 'reflect-metadata';
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { Refusal } from './refusal.ts';
import { KEY_RULE, signingAlgorithmOf } from './x509.ts';

/**
 * Public key of a certificate request. Everything else in it is ignored: the hub determines subject
 * and extensions.
 */
export interface RequestedKey {
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: ArrayBuffer;
  /** SHA-256 of the public key, hex. */
  readonly digest: string;
}

const ONE_REQUEST = /^\s*-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*$/;
const HASHES: readonly string[] = ['SHA-256', 'SHA-384', 'SHA-512'];

const refuse = (why: string): never => {
  throw new Refusal('csr-refused', `the certificate request ${why}`);
};

const parse = (pem: string): Pkcs10CertificateRequest => {
  if (!ONE_REQUEST.test(pem)) return refuse('is not one PEM block of the type CERTIFICATE REQUEST');
  try {
    return new Pkcs10CertificateRequest(pem);
  } catch {
    return refuse('cannot be parsed');
  }
};

const keyOf = (publicKey: ArrayBuffer): KeyObject => {
  try {
    return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  } catch {
    return refuse('has a public key that cannot be read');
  }
};

/** Whether the request is signed by the private key of its public key. */
const isSelfSigned = async (request: Pkcs10CertificateRequest): Promise<boolean> => {
  try {
    return await request.verify();
  } catch {
    return false;
  }
};

/** Reads a PKCS#10 request (RFC 2986). @throws Refusal `csr-refused` that describes the problem */
export const readRequest = async (pem: string): Promise<RequestedKey> => {
  const request = parse(pem);
  const publicKey = request.publicKey.rawData;
  if (signingAlgorithmOf(keyOf(publicKey)) === undefined)
    return refuse(`has a key that is too weak or of another kind: it must be ${KEY_RULE}`);
  if (!HASHES.includes(request.signatureAlgorithm.hash?.name ?? '')) return refuse(`is not signed with one of ${HASHES.join(', ')}`);
  if (!(await isSelfSigned(request))) return refuse('is not signed by the key in it');
  return { publicKey, digest: createHash('sha256').update(Buffer.from(publicKey)).digest('hex') };
};
