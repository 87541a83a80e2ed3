import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { clusterOfUri } from '@fso/shared/protocol';
import type { Authority } from './authority.ts';
import type { CertifiedCluster } from './enrolment-state.ts';
import { Refusal } from './refusal.ts';

const GENERATION = /^[1-9]\d{0,9}$/;
const URI = 'URI:';

/**
 * Reads exactly one name, which is the cluster's, and exactly one generation. Several names appear
 * as a list, and ambiguous names are quoted (CVE-2021-44532); several serial numbers are an array.
 * Parsing the certificate in JavaScript would take as long as the handshake.
 */
const identityOf = (certificate: X509Certificate): Pick<CertifiedCluster, 'cluster' | 'generation'> | undefined => {
  const name = certificate.subjectAltName ?? '';
  const cluster = name.startsWith(URI) ? clusterOfUri(name.slice(URI.length)) : undefined;
  const generation: unknown = Reflect.get(certificate.toLegacyObject().subject, 'serialNumber');
  if (cluster === undefined || typeof generation !== 'string' || !GENERATION.test(generation)) return undefined;
  return { cluster, generation: Number(generation) };
};

const refuse = (message: string): never => {
  throw new Refusal('not-authorized', message);
};

/** TLS errors that only concern the dates of a certificate which the CA issued to a client. */
const OF_DATES: readonly (string | undefined)[] = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/**
 * Reads the identity in the certificate of a connection. The caller checks the dates: a certificate
 * that has expired, or was issued while the clock of the hub was ahead, may still be renewed.
 *
 * @returns undefined if no certificate was shown
 * @throws Refusal `not-authorized` if the CA did not issue it to a client, for exactly one cluster
 */
export const readPeer = (socket: TLSSocket, authority: Authority, now: Date): CertifiedCluster | undefined => {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Declared as an Error, but its value is the code.
  const error: unknown = socket.authorizationError;
  if (!socket.authorized && !OF_DATES.includes(error as string | undefined))
    return refuse(`the certificate is not accepted (${String(error)})`);
  // The TLS layer checks this too, but of a certificate outside of its dates it reports only the
  // dates. Those of the CA are checked as well: an expired CA vouches for no agent.
  if (!authority.hasIssued(certificate, now)) return refuse('the certificate was not issued by a valid CA of this hub');
  if (!certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2')) return refuse('the certificate is not a client certificate');
  const identity = identityOf(certificate);
  if (identity === undefined) return refuse('the certificate does not name exactly one cluster');
  const { serialNumber: serial, validFromDate: notBefore, validToDate: expires } = certificate;
  return { ...identity, serial: serial.toLowerCase(), notBefore, expires };
};
