// The X.509 library finds its algorithms by decorators, which need this first.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const VALID_MS = 365 * 24 * 3600 * 1000;
// A clock that is a little behind must not refuse a certificate made a moment ago.
const BACKDATE_MS = 3600 * 1000;

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const pem = (label: string, der: ArrayBuffer): string =>
  `-----BEGIN ${label}-----\n${(
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END ${label}-----\n`;

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

const exportKey = async (key: webcrypto.CryptoKey): Promise<string> => pem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', key));

// Positive and without a leading zero, as RFC 5280 4.1.2.2 wants it.
const serial = (): string => `40${randomBytes(15).toString('hex')}`;

const validity = (): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(Date.now() - BACKDATE_MS),
  notAfter: new Date(Date.now() + VALID_MS),
});

/** A key pair for ServiceAccount tokens: PKCS#8 and SPKI. */
export async function createSigningKeys(): Promise<{ privateKey: string; publicKey: string }> {
  const keys = await newKeys();
  return {
    privateKey: await exportKey(keys.privateKey),
    publicKey: pem('PUBLIC KEY', await webcrypto.subtle.exportKey('spki', keys.publicKey)),
  };
}

export async function createAuthority(commonName: string): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: new Name([{ CN: [commonName] }]),
    ...validity(),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes takes organizations as groups. */
  readonly organizations?: readonly string[];
  /** Names for which a server answers; absent = a client's certificate only. */
  readonly serverNames?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

async function readKey(text: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
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
  const keys = await newKeys();
  const organizations = request.organizations ?? [];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: new Name([...organizations.map((group) => ({ O: [group] })), { CN: [request.commonName] }]),
    issuer: new X509Certificate(authority.certificate).subjectName,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await readKey(authority.key),
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), ...usages(request)],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}
