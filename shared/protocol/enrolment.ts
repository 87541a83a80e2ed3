import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ResourceName } from '../api/index.ts';
import { sha256 } from '../encoding/index.ts';

/** Path at which an agent enrols, on the listener of the stream. */
export const ENROL_PATH = '/agent/v1/enroll';
/** Path at which an agent renews its certificate. */
export const RENEW_PATH = '/agent/v1/renew';
/** Path of the CA certificates that hubs may show. */
export const CA_PATH = '/agent/v1/ca';

/** Largest body that either side accepts here, in bytes. */
export const MAX_ENROLMENT_BYTES: number = 64 * 1024;

const URI_PREFIX = 'fso://cluster/';
const SECRET_BYTES = 32;
/** A cluster name may contain dots; the other parts may not. */
const TOKEN = /^fso1\.([^\s]{1,253})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})$/;

/** URI that names the cluster in its certificate, as the only subject alternative name. */
export const identityUri = (cluster: string): string => `${URI_PREFIX}${cluster}`;

/**
 * Reads the cluster from the URI of a certificate.
 *
 * @returns undefined for anything but exactly such a URI
 */
export const clusterOfUri = (uri: string): string | undefined => {
  if (!uri.startsWith(URI_PREFIX)) return undefined;
  const name = ResourceName.safeParse(uri.slice(URI_PREFIX.length));
  return name.success ? name.data : undefined;
};

/** Token with which one agent of one cluster can enrol once. */
export interface EnrolmentToken {
  readonly cluster: string;
  /** 256 bits, base64url. */
  readonly secret: string;
  /** SHA-256 of the DER of the CA that the agent should trust, hexadecimal. */
  readonly caFingerprint: string;
}

/** Formats a token: `fso1.<cluster>.<secret>.<fingerprint of the CA>` */
export const formatToken = ({ cluster, secret, caFingerprint }: EnrolmentToken): string => `fso1.${cluster}.${secret}.${caFingerprint}`;

/** Parses an enrolment token. @returns undefined if the text is not a token */
export const parseToken = (text: string): EnrolmentToken | undefined => {
  const [, cluster = '', secret = '', caFingerprint = ''] = TOKEN.exec(text) ?? [];
  if (!ResourceName.safeParse(cluster).success || Buffer.from(secret, 'base64url').length !== SECRET_BYTES) return undefined;
  return { cluster, secret, caFingerprint };
};

/**
 * Digest of a token, which is stored instead and cannot be used in its place. SHA-256, hexadecimal.
 */
export const digestOfToken = (token: string): string => sha256(token);

const Pem = z.string().max(16_384);
const Time = z.iso.datetime({ offset: true });

/** PKCS#10 certificate request, PEM. Only its key is used. */
export const RenewRequest = z.strictObject({ csr: Pem });
/** Request for an agent's first certificate, with a one-time token. */
export const EnrolRequest = z.strictObject({ token: z.string().min(1).max(512), csr: Pem });

/** Response to an enrolment or renewal: the agent's certificate, and the CA to trust. */
export const IssuedIdentity = z.object({
  cluster: ResourceName,
  certificate: Pem,
  /** Every CA that hubs may show, now or soon; PEM. */
  ca: z.string().max(MAX_ENROLMENT_BYTES),
  expires: Time,
  /** The hub's clock. */
  time: Time,
});
export type IssuedIdentity = z.infer<typeof IssuedIdentity>;

/** Reason why a request was not fulfilled. */
export const EnrolmentRefusal = z.object({
  code: z.enum([
    'bad-request',
    'csr-refused',
    'token-unknown',
    'token-used',
    'token-expired',
    'not-authorized',
    'revoked',
    'superseded',
    'too-many-requests',
    'unavailable',
    'internal',
  ]),
  message: z.string().max(1000),
});
export type EnrolmentRefusal = z.infer<typeof EnrolmentRefusal>;

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Parses the certificates of a PEM bundle, in their order. @throws Error if one cannot be parsed
 */
export const certificatesIn = (pem: string): X509Certificate[] => (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));

/** Fingerprint of the CA in an enrolment token: SHA-256 of the DER, hexadecimal. */
export const fingerprintOf = (certificate: X509Certificate): string => certificate.fingerprint256.replaceAll(':', '').toLowerCase();
