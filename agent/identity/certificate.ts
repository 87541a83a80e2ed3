import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type webcrypto, X509Certificate } from 'node:crypto';
import { certificatesIn, identityUri } from '@fso/shared/protocol';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';

/** Identity that proves the agent to the hub; PEM. */
export interface AgentIdentity {
  readonly cert: string;
  readonly key: string;
  /** CAs that issue the hub's certificate. */
  readonly ca: string;
}

/** Validity period of a certificate. */
export interface ValidityPeriod {
  readonly from: Date;
  readonly until: Date;
}

/** Checks that an identity belongs to this cluster. @throws Error with the reason if it does not */
export const checkIdentity = ({ cert, key, ca }: AgentIdentity, cluster: string): ValidityPeriod => {
  const certificate = new X509Certificate(cert);
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is not one for the key');
  if (certificate.subjectAltName !== `URI:${identityUri(cluster)}`)
    throw new Error(`the certificate is for ${certificate.subjectAltName ?? 'nobody'}, and this is the cluster ${cluster}`);
  const isIssued = certificatesIn(ca).some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  if (!isIssued) throw new Error('the certificate was issued by none of the CAs beside it');
  return { from: certificate.validFromDate, until: certificate.validToDate };
};

// The X.509 library finds its algorithms by decorators, which need this import first.

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Generates a new key of this agent, PKCS#8 in PEM. */
export const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: ALGORITHM.namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/**
 * Creates a certificate request for a key, PKCS#10 (RFC 2986) in PEM. It contains only the key, as
 * the hub identifies the cluster by other means.
 */
export const requestCertificate = async (key: string): Promise<string> => {
  const privateKey = createPrivateKey(key);
  const keys: webcrypto.CryptoKeyPair = {
    privateKey: privateKey.toCryptoKey(ALGORITHM, false, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(ALGORITHM, true, ['verify']),
  };
  const request = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=fso-agent', keys, signingAlgorithm: ALGORITHM });
  return request.toString('pem');
};
