import { createPrivateKey, X509Certificate } from 'node:crypto';
import { certificatesIn, identityUri } from '@fso/shared/protocol';

/** What an agent proves itself with; PEM. */
export interface AgentIdentity {
  readonly cert: string;
  readonly key: string;
  /** CAs of the hub. */
  readonly ca: string;
}

/** Since when and until when. */
export interface Life {
  readonly from: Date;
  readonly until: Date;
}

/** @throws Error where it cannot be this cluster's identity: the message says why */
export const checkIdentity = ({ cert, key, ca }: AgentIdentity, cluster: string): Life => {
  const certificate = new X509Certificate(cert);
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is not one for the key');
  if (certificate.subjectAltName !== `URI:${identityUri(cluster)}`)
    throw new Error(`the certificate is for ${certificate.subjectAltName ?? 'nobody'}, and this is the cluster ${cluster}`);
  const isIssued = certificatesIn(ca).some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  if (!isIssued) throw new Error('the certificate was issued by none of the CAs beside it');
  return { from: certificate.validFromDate, until: certificate.validToDate };
};
