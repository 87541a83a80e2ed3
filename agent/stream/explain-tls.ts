const CLOCK = "look at the clocks of this machine and of the hub's";

const EXPLANATIONS: Readonly<Record<string, (host: string) => string>> = {
  CERT_NOT_YET_VALID: () => `the certificate of the hub is not good yet: ${CLOCK}`,
  CERT_HAS_EXPIRED: () => `the certificate of the hub has expired: ${CLOCK}`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) =>
    `the certificate of the hub is not for ${host}: set FSO_AGENT_HOSTNAMES at the hub to all names that agents call it by`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: (host) => `${host} shows a certificate of another CA than that of the hub`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: (host) => `${host} shows a certificate of another CA than that of the hub`,
  SELF_SIGNED_CERT_IN_CHAIN: (host) => `${host} shows a certificate of another CA than that of the hub`,
  DEPTH_ZERO_SELF_SIGNED_CERT: (host) => `${host} shows a certificate of another CA than that of the hub`,
  CERT_SIGNATURE_FAILURE: (host) => `${host} shows a certificate of another CA than that of the hub`,
};

/** Why a connection was not made, in words where it is about certificates. */
export const explainTls = (error: Error, host: string): string => {
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  const explanation = EXPLANATIONS[code]?.(host);
  const text = error.message || error.name;
  return explanation === undefined ? text : `${explanation} (${code})`;
};
