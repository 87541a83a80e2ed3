// Required first: the X.509 library registers its algorithms by decorators.
import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Certificate and key in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** First and last moment of a certificate. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

type Names = ConstructorParameters<typeof Name>[0];

/** Content of a certificate to issue. The issuer adds its own name. */
export interface CertificateContent extends Validity {
  readonly serial: string;
  readonly subject: Names;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: ArrayBuffer;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names: readonly { readonly type: 'dns' | 'ip' | 'url'; readonly value: string }[];
}

/**
 * OID of the attribute serialNumber in a name (RFC 4519 2.31), which distinguishes entities with
 * the same name.
 */
export const SERIAL_NUMBER = '2.5.4.5';

const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' },
};
const RSA_BITS = { min: 2048, max: 4096 } as const;

/** Description of the keys allowed for CAs and agents. */
export const KEY_RULE = 'EC on P-256 or P-384, or RSA with 2048 to 4096 bits';

/** Returns the Web Crypto parameters for signing with a key; undefined: the key is not allowed. */
export const signingAlgorithmOf = (key: KeyObject): webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams | undefined => {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const curve = CURVES[namedCurve];
  if (key.asymmetricKeyType === 'ec' && curve !== undefined) return { name: 'ECDSA', ...curve } as webcrypto.EcKeyImportParams;
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= RSA_BITS.min && modulusLength <= RSA_BITS.max)
    return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return undefined;
};

/** Creates a serial number: positive, without a leading zero, as RFC 5280 4.1.2.2 requires; hex. */
export const newSerial = (): string => `40${randomBytes(15).toString('hex')}`;

const toPem = (certificate: X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

const newKeyPair = (): { readonly privateKey: KeyObject; readonly publicKey: ArrayBuffer } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { privateKey, publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })).buffer };
};

const signingKey = (key: KeyObject): { readonly key: webcrypto.CryptoKey; readonly algorithm: webcrypto.Algorithm } => {
  const algorithm = signingAlgorithmOf(key);
  if (algorithm === undefined) throw new Error(`the key must be ${KEY_RULE}`);
  return { key: key.toCryptoKey(algorithm, false, ['sign']), algorithm };
};

/** Creates a self-signed CA with a new P-256 key. */
export const createCa = async (commonName: string, validity: Validity): Promise<KeyPair> => {
  const { privateKey, publicKey } = newKeyPair();
  const { key, algorithm } = signingKey(privateKey);
  const name = new Name([{ CN: [commonName] }]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: name,
    issuer: name,
    ...validity,
    signingAlgorithm: algorithm,
    publicKey: new PublicKey(publicKey),
    signingKey: key,
    extensions: [
      // The path length 0 allows no CA below this one.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(new PublicKey(publicKey)),
    ],
  });
  return { cert: toPem(certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};

/** Signs a certificate. @returns PEM */
export const issue = async (ca: KeyPair, content: CertificateContent): Promise<string> => {
  const issuer = new X509Certificate(ca.cert);
  const { key, algorithm } = signingKey(createPrivateKey(ca.key));
  // Verifiers compare both (RFC 5280 4.2.1.1). The identifier is copied, because there are several
  // methods to compute it, and Helm uses another one than this library.
  const named = issuer.getExtension(SubjectKeyIdentifierExtension);
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage[content.usage]]),
    new SubjectAlternativeNameExtension([...content.names]),
    named === null ? await AuthorityKeyIdentifierExtension.create(issuer.publicKey) : new AuthorityKeyIdentifierExtension(named.keyId),
  ];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: content.serial,
    subject: new Name(content.subject),
    issuer: issuer.subjectName,
    notBefore: content.notBefore,
    notAfter: content.notAfter,
    signingAlgorithm: algorithm,
    publicKey: new PublicKey(content.publicKey),
    signingKey: key,
    extensions,
  });
  return toPem(certificate);
};

/** Creates a certificate for a server with these host names, with a new key. */
export const issueServer = async (ca: KeyPair, hosts: readonly string[], validity: Validity): Promise<KeyPair> => {
  const { privateKey, publicKey } = newKeyPair();
  const cert = await issue(ca, {
    ...validity,
    serial: newSerial(),
    subject: [{ CN: ['fso-hub'] }],
    publicKey,
    usage: 'serverAuth',
    names: hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};
