import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { clusterOfUri } from '@fso/shared/protocol';
import type { Authority } from './authority.ts';
import type { CertifiedCluster } from './enrolment-state.ts';
import { Refusal } from './refusal.ts';

const GENERATION = /^[1-9]\d{0,9}$/;
const URI = 'URI:';

/**
 * Exactly one name, which is the cluster's, and exactly one generation. Several names are a list,
 * and a name that could be taken for one is in quotes (CVE-2021-44532); several serial numbers are
 * an array. A parser in JavaScript takes as long as the handshake.
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

/**
 * Errors of the TLS layer that leave a certificate issued by the CA, for its owner, as a client's.
 */
const OF_DATES: readonly (string | undefined)[] = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/**
 * Reads the identity in the certificate of a connection. The caller checks the dates: a certificate
 * that has expired, or was made while the clock of the hub ran ahead, may be good for a renewal.
 *
 * @returns undefined where no certificate was shown
 * @throws Refusal `not-authorized` for one that the CA has not issued, not as a client's, or not
 * for exactly one cluster
 */
export const readPeer = (socket: TLSSocket, authority: Authority, now: Date): CertifiedCluster | undefined => {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Its type is Error, its value the code.
  const error: unknown = socket.authorizationError;
  if (!socket.authorized && !OF_DATES.includes(error as string | undefined))
    return refuse(`the certificate is not accepted (${String(error)})`);
  // What follows the TLS layer has looked at too; it says nothing of a certificate out of its dates
  // but that. That of the CA itself, too: one that has expired vouches for no agent.
  if (!authority.hasIssued(certificate, now)) return refuse('the certificate was not issued by a CA of this hub that is in force');
  if (!certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2')) return refuse('the certificate is not one of a client');
  const identity = identityOf(certificate);
  if (identity === undefined) return refuse('the certificate does not name exactly one cluster');
  const { serialNumber: serial, validFromDate: notBefore, validToDate: expires } = certificate;
  return { ...identity, serial: serial.toLowerCase(), notBefore, expires };
};
