const CLOCK = "look at the clocks of this machine and of the hub's";

/**
 * Codes of Node.js for a certificate chain that does not end at a CA of the agent
 * (https://nodejs.org/api/tls.html#x509-certificate-error-codes).
 */
const OTHER_CA: readonly string[] = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
];

const EXPLANATIONS: Readonly<Record<string, (host: string) => string>> = {
  CERT_NOT_YET_VALID: () => `the certificate of the hub is not good yet: ${CLOCK}`,
  CERT_HAS_EXPIRED: () => `the certificate of the hub has expired: ${CLOCK}`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) =>
    `the certificate of the hub is not for ${host}: set FSO_AGENT_HOSTNAMES at the hub to all names that agents call it by`,
  ...Object.fromEntries(OTHER_CA.map((code) => [code, (host: string) => `${host} shows a certificate of another CA than that of the hub`])),
};

const codeOf = (error: Error): string => String((error as NodeJS.ErrnoException).code ?? '');

/** Whether a connection failed because the server's certificate is from another CA. */
export const isOtherCa = (error: Error): boolean => OTHER_CA.includes(codeOf(error));

/** Explains why a connection failed; in words if the cause is a certificate. */
export const explainTls = (error: Error, host: string): string => {
  const code = codeOf(error);
  const explanation = EXPLANATIONS[code]?.(host);
  const text = error.message || error.name;
  return explanation === undefined ? text : `${explanation} (${code})`;
};
