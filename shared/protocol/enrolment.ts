import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ResourceName } from '../api/index.ts';
import { sha256 } from '../encoding/index.ts';

/** Paths of the agents' listener beside the stream. */
export const ENROL_PATH = '/agent/v1/enroll';
/** Path at which an agent renews its certificate. */
export const RENEW_PATH = '/agent/v1/renew';
/** Path of the CA certificates that hubs may show. */
export const CA_PATH = '/agent/v1/ca';

/** Largest body that either side accepts here, in bytes. */
export const MAX_ENROLMENT_BYTES: number = 64 * 1024;

const URI_PREFIX = 'fso://cluster/';
const SECRET_BYTES = 32;
/** A cluster name may hold dots, what follows it does not. */
const TOKEN = /^fso1\.([^\s]{1,253})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})$/;

/**
 * URI that names the cluster in its certificate: the only one among its subject alternative names.
 */
export const identityUri = (cluster: string): string => `${URI_PREFIX}${cluster}`;

/**
 * Reads the cluster from the URI of a certificate.
 *
 * @returns the cluster of exactly such a URI; undefined for everything else, however alike it looks
 */
export const clusterOfUri = (uri: string): string | undefined => {
  if (!uri.startsWith(URI_PREFIX)) return undefined;
  const name = ResourceName.safeParse(uri.slice(URI_PREFIX.length));
  return name.success ? name.data : undefined;
};

/** Lets one agent of one cluster enrol once. */
export interface EnrolmentToken {
  readonly cluster: string;
  /** 256 bit, base64url. */
  readonly secret: string;
  /** SHA-256 of the DER of the CA that the agent is to trust, hexadecimal. */
  readonly caFingerprint: string;
}

/** `fso1.<cluster>.<secret>.<fingerprint of the CA>` */
export const formatToken = ({ cluster, secret, caFingerprint }: EnrolmentToken): string => `fso1.${cluster}.${secret}.${caFingerprint}`;

/** Parses an enrolment token. @returns undefined for what is no token */
export const parseToken = (text: string): EnrolmentToken | undefined => {
  const [, cluster = '', secret = '', caFingerprint = ''] = TOKEN.exec(text) ?? [];
  if (!ResourceName.safeParse(cluster).success || Buffer.from(secret, 'base64url').length !== SECRET_BYTES) return undefined;
  return { cluster, secret, caFingerprint };
};

/**
 * Digest of a token, which is stored in its place and cannot be used instead of it. SHA-256,
 * hexadecimal.
 */
export const digestOfToken = (token: string): string => sha256(token);

const Pem = z.string().max(16_384);
const Time = z.iso.datetime({ offset: true });

/** A PKCS#10 certificate request, PEM. Nothing of it counts but its key. */
export const RenewRequest = z.strictObject({ csr: Pem });
/** Request of an agent's first certificate, by a one-time token. */
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

/** The certificates of a PEM bundle, in their order. @throws Error for one that cannot be parsed */
export const certificatesIn = (pem: string): X509Certificate[] => (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));

/** SHA-256 of the DER, hexadecimal: the fingerprint of the CA in an enrolment token. */
export const fingerprintOf = (certificate: X509Certificate): string => certificate.fingerprint256.replaceAll(':', '').toLowerCase();
