// The X.509 library needs this import first: it registers algorithms with decorators.
import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, type webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const VALID_MS = 365 * 24 * 3600 * 1000;
// A clock that is slightly behind must not refuse a new certificate.
const BACKDATE_MS = 3600 * 1000;

/** Certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

const signingKey = (key: KeyObject): webcrypto.CryptoKey => key.toCryptoKey(ALGORITHM, false, ['sign']);

const publicKeyOf = (key: KeyObject): PublicKey => new PublicKey(new Uint8Array(key.export({ type: 'spki', format: 'der' })));

const pairOf = (certificate: X509Certificate, key: KeyObject): KeyPair => ({
  certificate: `${certificate.toString('pem')}\n`,
  key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
});

/** Serial number and validity of a new certificate. */
const header = () => ({
  // Positive and without a leading zero, as RFC 5280 4.1.2.2 requires.
  serialNumber: `40${randomBytes(15).toString('hex')}`,
  notBefore: new Date(Date.now() - BACKDATE_MS),
  notAfter: new Date(Date.now() + VALID_MS),
  signingAlgorithm: ALGORITHM,
});

/** Creates a key pair for ServiceAccount tokens, in PKCS#8 and SPKI. */
export const createSigningKeys = (): { privateKey: string; publicKey: string } =>
  generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });

/** Creates a CA with a new key. */
export async function createAuthority(commonName: string): Promise<KeyPair> {
  const { privateKey, publicKey } = newKeys();
  const name = new Name([{ CN: [commonName] }]);
  const certificate = await X509CertificateGenerator.create({
    ...header(),
    subject: name,
    issuer: name,
    publicKey: publicKeyOf(publicKey),
    signingKey: signingKey(privateKey),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  return pairOf(certificate, privateKey);
}

/** Subject and names of a certificate to issue. */
export interface CertificateRequest {
  readonly commonName: string;
  /** Organizations, which Kubernetes uses as groups. */
  readonly organizations?: readonly string[];
  /** Names of a server; absent for a client certificate. */
  readonly serverNames?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

function usages(request: CertificateRequest): Extension[] {
  const names = request.serverNames;
  if (!names) return [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])];
  return [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension([
      ...names.dns.map((value) => ({ type: 'dns' as const, value })),
      ...names.ip.map((value) => ({ type: 'ip' as const, value })),
    ]),
  ];
}

/** Issues a certificate with a new key. */
export async function issueCertificate(authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
  const { privateKey, publicKey } = newKeys();
  const organizations = request.organizations ?? [];
  const certificate = await X509CertificateGenerator.create({
    ...header(),
    subject: new Name([...organizations.map((group) => ({ O: [group] })), { CN: [request.commonName] }]),
    issuer: new X509Certificate(authority.certificate).subjectName,
    publicKey: publicKeyOf(publicKey),
    signingKey: signingKey(createPrivateKey(authority.key)),
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), ...usages(request)],
  });
  return pairOf(certificate, privateKey);
}
