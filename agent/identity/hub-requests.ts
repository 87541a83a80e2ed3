import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import {
  CA_PATH,
  certificatesIn,
  ENROL_PATH,
  EnrolmentRefusal,
  fingerprintOf,
  IssuedIdentity,
  MAX_ENROLMENT_BYTES,
  RENEW_PATH,
} from '@fso/shared/protocol';
import { createTlsAgent, type ProxyConfig, readAtMost } from '@fso/shared/runtime';
import { explainTls, isOtherCa } from '../stream/index.ts';
import type { AgentIdentity } from './certificate.ts';

/** Error of a request that the hub refuses. Repeating it is pointless. */
export class HubRefusal extends Error {
  override readonly name = 'HubRefusal';
  readonly code: EnrolmentRefusal['code'];
  constructor({ code, message }: EnrolmentRefusal) {
    super(message);
    this.code = code;
  }
}

/**
 * Error of a hub whose CA is not the one that the token or the identity names: the token is for
 * another hub, or a proxy intercepts the connection.
 */
export class UntrustedHubError extends Error {
  override readonly name = 'UntrustedHubError';
  readonly code = 'hub-untrusted';
}

type Trust = Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;

/** Address of the hub, and the proxy to reach it. */
export interface HubAddress {
  readonly hubUrl: string;
  readonly proxy?: ProxyConfig | undefined;
}

interface HubRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly body?: unknown;
  readonly trust: Trust;
  readonly proxy: ProxyConfig | undefined;
}

const TIMEOUT_MS = 15_000;
const STREAM_PATH = /\/agent\/v1\/stream$/;

/** URL of a request outside the stream. */
export const requestUrl = (hubUrl: string, path: string): URL => {
  const url = new URL(hubUrl);
  url.protocol = 'https:';
  url.pathname = STREAM_PATH.test(url.pathname) ? url.pathname.replace(STREAM_PATH, path) : path;
  url.search = '';
  return url;
};

const readText = async (response: IncomingMessage): Promise<string> => {
  const body = await readAtMost(response, MAX_ENROLMENT_BYTES);
  if (body === undefined) throw new Error('the hub answers with too much');
  return body.toString('utf8');
};

const send = ({ url, method, body, trust, proxy }: HubRequest, signal: AbortSignal): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    // Each request has its own connection, so that the trust of one does not extend to another.
    const agent = createTlsAgent(proxy, { timeout: TIMEOUT_MS });
    const sent = request(url, { method, headers, agent, signal, minVersion: 'TLSv1.2', ...trust }, resolve);
    // While a proxy establishes the tunnel, an abort does not raise an error of the request yet.
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    sent.on('error', (error) => {
      const reason = explainTls(error, url.hostname);
      reject(isOtherCa(error) ? new UntrustedHubError(reason) : new Error(reason, { cause: error }));
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Refusals that may pass soon. */
const PASSING: readonly EnrolmentRefusal['code'][] = ['internal', 'too-many-requests', 'unavailable'];

const ask = async (wanted: HubRequest, signal: AbortSignal): Promise<string> => {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const response = await send(wanted, limited);
  const text = await readText(response);
  if (response.statusCode === 200) return text;
  const refusal = EnrolmentRefusal.safeParse(parseJson(text));
  if (refusal.success && !PASSING.includes(refusal.data.code)) throw new HubRefusal(refusal.data);
  throw new Error(
    refusal.success ? refusal.data.message : `the hub answered ${wanted.url.pathname} with HTTP status ${response.statusCode}`,
  );
};

const issuedIn = (text: string): IssuedIdentity => {
  const issued = IssuedIdentity.safeParse(parseJson(text));
  if (!issued.success) throw new Error('the hub answered with something else than a certificate');
  return issued.data;
};

/**
 * Fetches the CA with this fingerprint from a hub that is not trusted yet: the response is verified
 * by the fingerprint.
 *
 * @param ca verifies the connection if set; otherwise the connection is not verified, and nothing
 * secret is sent
 * @throws UntrustedHubError if the hub has another CA
 */
export const fetchCa = async (
  { hubUrl, proxy }: HubAddress,
  fingerprint: string,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<string> => {
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
  const text = await ask({ url: requestUrl(hubUrl, CA_PATH), method: 'GET', trust, proxy }, signal);
  const found = certificatesIn(text).find((certificate) => fingerprintOf(certificate) === fingerprint);
  if (found === undefined)
    throw new UntrustedHubError(
      'the hub does not have the CA that the token names: the token is of another hub, or something stands in between',
    );
  return found.toString();
};

/**
 * Gets the agent's first certificate from the hub with a one-time token.
 *
 * @throws HubRefusal if the token or the request is not accepted
 */
export const enrol = async (
  { hubUrl, proxy }: HubAddress,
  content: { token: string; csr: string },
  ca: string,
  signal: AbortSignal,
): Promise<IssuedIdentity> =>
  issuedIn(await ask({ url: requestUrl(hubUrl, ENROL_PATH), method: 'POST', body: content, trust: { ca }, proxy }, signal));

/**
 * Gets the agent's next certificate from the hub with the present one.
 *
 * @throws HubRefusal if the identity is not, or no longer, accepted
 */
export const renew = async (
  { hubUrl, proxy }: HubAddress,
  csr: string,
  { cert, key, ca }: AgentIdentity,
  signal: AbortSignal,
): Promise<IssuedIdentity> =>
  issuedIn(await ask({ url: requestUrl(hubUrl, RENEW_PATH), method: 'POST', body: { csr }, trust: { cert, key, ca }, proxy }, signal));
