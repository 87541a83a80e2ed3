import { X509Certificate } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  CA_PATH,
  digestOfToken,
  ENROL_PATH,
  type EnrolmentRefusal,
  EnrolRequest,
  MAX_ENROLMENT_BYTES,
  RENEW_PATH,
  RenewRequest,
} from '@fso/shared/protocol';
import { createFailureLimit, createNoiseLimit, createRateLimit, type ListenAddress, type Runtime, readAtMost } from '@fso/shared/runtime';
import type { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';
import { type AuthenticateAgent, authenticateByIdentity } from './authenticate-agent.ts';
import { type Authority, openAuthority, ownCaPaths } from './authority.ts';
import { createEnrolmentStore } from './enrolment-store.ts';
import { DEFAULT_IDENTITY_LIMITS, Identity, type IdentityEvent, type IdentityLimits, type IdentityState } from './identity.ts';
import { readPeer } from './peer.ts';
import { REFUSAL_STATUS, Refusal } from './refusal.ts';
import { createServerCertificate, type ServerCertificate, serverHosts } from './server-certificate.ts';
import type { KeyPair } from './x509.ts';

interface RequestLimits {
  /** Burst of refused requests per address. The rate is 5 per second. */
  readonly requestBurst: number;
  /** Burst of certificates per token or per certificate. The rate is one per 10 s. */
  readonly renewalBurst: number;
}

const DEFAULT_REQUEST_LIMITS: RequestLimits = { requestBurst: 60, renewalBurst: 10 };

interface EnrolmentListenerDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly identity: Identity;
  readonly authority: Authority;
  readonly limits: RequestLimits;
}

interface Answer {
  readonly type: string;
  readonly body: string;
}

type Handle = (request: IncomingMessage, signal: AbortSignal) => Promise<Answer>;

const addressOf = ({ socket }: IncomingMessage): string | null => socket.remoteAddress ?? null;

const json = (value: unknown): Answer => ({ type: 'application/json', body: JSON.stringify(value) });

const readBody = async (request: IncomingMessage): Promise<string> => {
  const body = await readAtMost(request, MAX_ENROLMENT_BYTES);
  if (body === undefined) throw new Refusal('bad-request', `the body has more than ${MAX_ENROLMENT_BYTES} bytes`);
  return body.toString('utf8');
};

const parseBody = async <T>(schema: z.ZodType<T>, request: IncomingMessage): Promise<T> => {
  let value: unknown;
  const text = await readBody(request);
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal('bad-request', 'the body is not JSON');
  }
  const parsed = schema.safeParse(value);
  // Names the wrong fields but not their content, which may include a token.
  if (!parsed.success)
    throw new Refusal(
      'bad-request',
      `the body is wrong at ${parsed.error.issues.map(({ path }) => path.join('.') || 'its top').join(', ')}`,
    );
  return parsed.data;
};

const send = (response: ServerResponse, status: number, { type, body }: Answer): void => {
  const wait = status === 503 ? { 'retry-after': '30' } : {};
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', connection: 'close', ...wait }).end(body);
};

/** @returns a signal that aborts when the client has left */
const goneSignal = (response: ServerResponse): AbortSignal => {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
};

/**
 * Answers requests of agents outside of streams: the CA (its fingerprint is in the token), a first
 * certificate for a token, and a new one for the certificate of the connection. All other requests
 * get 426 Upgrade Required.
 */
const createEnrolmentListener = ({ identity, authority, clock, logger, limits }: EnrolmentListenerDeps): RequestListener => {
  const failures = createFailureLimit(clock, { burst: limits.requestBurst, perSecond: 5, addresses: 10_000 });
  const allowsProof = createRateLimit(clock, { burst: limits.renewalBurst, perSecond: 0.1, addresses: 10_000 });
  // Limits renewals per cluster, too: each issues one more certificate, which has its own limit
  // above, and adds an audit entry.
  const allowsCluster = createRateLimit(clock, { burst: 6 * limits.renewalBurst, perSecond: 1 / 60, addresses: 10_000 });
  const levelFor = createNoiseLimit(clock);
  const routes: Readonly<Record<string, Handle>> = {
    [`GET ${CA_PATH}`]: async () => ({ type: 'application/x-pem-file', body: authority.bundle }),
    [`POST ${ENROL_PATH}`]: async (request, signal) => {
      const { token, csr } = await parseBody(EnrolRequest, request);
      // A used token stays valid for its key, in case the answer was lost.
      if (!allowsProof(digestOfToken(token))) throw new Refusal('too-many-requests', 'this token is used too often');
      return json(await identity.enrol(token, csr, { from: addressOf(request), signal }));
    },
    [`POST ${RENEW_PATH}`]: async (request, signal) => {
      const peer = readPeer(request.socket as TLSSocket, authority, clock.now());
      if (peer === undefined) throw new Refusal('not-authorized', 'show the certificate that is to be renewed');
      // Limited by certificate, so that holders of an old one, or of a copy of an old one, cannot
      // use up the agent's budget.
      if (!allowsProof(`${peer.cluster}/${peer.generation}/${peer.serial}`))
        throw new Refusal('too-many-requests', 'this certificate is renewed too often');
      // Expired certificates have their own budget: there may be many, and copies of them must not
      // use up the agent's budget either.
      const isExpired = peer.expires.getTime() <= clock.now().getTime();
      if (!allowsCluster(`${peer.cluster}/${peer.generation}/${isExpired ? 'expired' : 'in force'}`))
        throw new Refusal('too-many-requests', 'certificates of this cluster are renewed too often');
      const { csr } = await parseBody(RenewRequest, request);
      return json(await identity.renew(peer, csr, { from: addressOf(request), signal }));
    },
  };

  const refuse = (response: ServerResponse, remote: string | undefined, error: unknown): void => {
    const known = error instanceof Refusal ? error : new Refusal('internal', 'see the log of the hub');
    if (REFUSAL_STATUS[known.code] < 500) failures.note(remote ?? '');
    if (known === error) logger[levelFor(remote)]({ remote, code: known.code, detail: known.message }, 'enrolment request refused');
    else logger.error({ err: error, remote }, 'enrolment request failed');
    if (response.headersSent || response.destroyed) return;
    send(response, REFUSAL_STATUS[known.code], json({ code: known.code, message: known.message } satisfies EnrolmentRefusal));
  };

  const decline = (response: ServerResponse, path: string): void => {
    const method = Object.keys(routes)
      .find((route) => route.endsWith(` ${path}`))
      ?.split(' ', 1)[0];
    if (method === undefined) response.writeHead(426, { connection: 'close' }).end();
    else response.writeHead(405, { connection: 'close', allow: method }).end();
  };

  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const handle = routes[`${request.method} ${path}`];
    if (handle === undefined) return decline(response, path);
    const remote = request.socket.remoteAddress;
    // A renewal is limited by its certificate instead: many agents may share an address.
    const gone = goneSignal(response);
    const isLimited = path === ENROL_PATH && failures.isSpent(remote ?? '');
    const answering = isLimited
      ? Promise.reject(new Refusal('too-many-requests', 'too many requests of this address were refused; wait a few seconds'))
      : handle(request, gone);
    answering.then(
      (answer) => send(response, 200, answer),
      (error: unknown) => {
        if (error !== gone.reason) refuse(response, remote, error);
      },
    );
  };
};

/** Location and origin of the CA and of the listener's certificate. */
export interface OpenIdentityOptions {
  /** Folder in which the CA is stored. */
  readonly dataDir: string;
  /** CA of the operator; undefined: the hub uses its own. */
  readonly ca: KeyPair | undefined;
  /** Certificate of the listener; undefined: the CA issues one. */
  readonly agentTls: KeyPair | undefined;
  readonly agentListen: ListenAddress;
  readonly hostnames: readonly string[];
  /** Static tokens by cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly limits?: Partial<IdentityLimits & RequestLimits & { readonly serverCertificateMs: number }> | undefined;
}

/** Stores of enrolments, and the receiver of their events. */
export interface OpenIdentityDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly onEvent: (event: IdentityEvent) => Promise<void>;
  readonly records: KeyedStore;
  /** State of the database. Default: always usable, for a single hub. */
  readonly state?: IdentityState | undefined;
}

/** Parts of the agents' listener that depend on enrolment. */
export interface AgentListenerIdentity {
  readonly identity: Identity;
  readonly authenticate: AuthenticateAgent;
  readonly listener: RequestListener;
  readonly certificate: ServerCertificate;
  /** Host names of the listener. The first one is in the URL for agents. */
  readonly hosts: readonly string[];
  /** Returns the expiry of the listener's certificate and of the CA. */
  readonly expiries: () => { readonly server: Date; readonly ca: Date };
}

/** Certificate used by the hub. */
export interface HubCertificate {
  readonly of: 'server' | 'ca';
  readonly expires: Date;
  /** Whether the hub renews it automatically. */
  readonly isRenewed: boolean;
}

/**
 * Returns the current certificates of the agents' listener.
 *
 * @param given certificate of the operator for it
 */
export const certificatesOf = (
  given: Pick<KeyPair, 'cert'> | undefined,
  identity: AgentListenerIdentity | undefined,
): readonly HubCertificate[] => {
  const server = identity?.expiries().server ?? (given && new X509Certificate(given.cert).validToDate);
  const ca = identity?.expiries().ca;
  return [
    ...(server === undefined ? [] : [{ of: 'server' as const, expires: server, isRenewed: given === undefined }]),
    ...(ca === undefined ? [] : [{ of: 'ca' as const, expires: ca, isRenewed: false }]),
  ];
};

const SERVER_CERTIFICATE_MS = 7 * 24 * 3600 * 1000;
const CA_WARNING_MS = 180 * 24 * 3600 * 1000;

const warnOfExpiry = ({ expires }: Authority, { clock, logger }: OpenIdentityDeps): void => {
  if (expires.getTime() - clock.now().getTime() < CA_WARNING_MS)
    logger.warn({ expires: expires.toISOString() }, 'the CA of the agents expires soon');
};

/**
 * Opens the CA and everything that the agents' listener needs for it.
 *
 * @throws ConfigError if the files in the folder cannot be used
 */
export const openIdentity = async (options: OpenIdentityOptions, deps: OpenIdentityDeps): Promise<AgentListenerIdentity> => {
  const { clock, logger, onEvent, records } = deps;
  const { serverCertificateMs = SERVER_CERTIFICATE_MS, ...limits } = options.limits ?? {};
  const { folder } = ownCaPaths(options.dataDir);
  const authority = await openAuthority({ folder, given: options.ca, now: clock.now(), records });
  warnOfExpiry(authority, deps);
  const identity = new Identity({
    authority,
    store: createEnrolmentStore(records),
    clock,
    limits: { ...DEFAULT_IDENTITY_LIMITS, ...limits },
    onEvent,
    state: deps.state,
  });
  const hosts = serverHosts(options.agentListen, options.hostnames);
  const certificate = await createServerCertificate({
    authority,
    given: options.agentTls,
    hosts,
    clock,
    logger,
    validMs: serverCertificateMs,
  });
  return {
    identity,
    authenticate: authenticateByIdentity({ identity, authority, clock, tokens: options.agentTokens }),
    listener: createEnrolmentListener({ identity, authority, clock, logger, limits: { ...DEFAULT_REQUEST_LIMITS, ...limits } }),
    certificate,
    hosts,
    expiries: () => ({ server: certificate.expires(), ca: authority.expires }),
  };
};
