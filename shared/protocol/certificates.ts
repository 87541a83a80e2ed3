import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, in their order. @throws Error for one that cannot be parsed */
export const certificatesIn = (pem: string): X509Certificate[] => (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));

/** SHA-256 of the DER, hexadecimal: what an enrolment token says of the CA. */
export const fingerprintOf = (certificate: X509Certificate): string => certificate.fingerprint256.replaceAll(':', '').toLowerCase();
