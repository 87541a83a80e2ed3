// The X.509 library finds its algorithms by decorators, which need this first.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A new key of this agent, PKCS#8 in PEM. */
export const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: ALGORITHM.namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** Asks for a certificate for a key, by PKCS#10 (RFC 2986). It says nothing but the key: who this is, the hub knows by other means. */
export const requestCertificate = async (key: string): Promise<string> => {
  const privateKey = createPrivateKey(key);
  const keys: webcrypto.CryptoKeyPair = {
    privateKey: privateKey.toCryptoKey(ALGORITHM, false, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(ALGORITHM, true, ['verify']),
  };
  const request = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=fso-agent', keys, signingAlgorithm: ALGORITHM });
  return request.toString('pem');
};
