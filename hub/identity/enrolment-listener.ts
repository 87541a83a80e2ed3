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
import { createFailureLimit, createNoiseLimit, createRateLimit, readAtMost, type Runtime } from '@fso/shared/runtime';
import type { z } from 'zod';
import type { Authority } from './authority.ts';
import type { Identity } from './identity.ts';
import { readPeer } from './peer.ts';
import { REFUSAL_STATUS, Refusal } from './refusal.ts';

export interface RequestLimits {
  /** Refused requests of one address at once; 5 a second after that. */
  readonly requestBurst: number;
  /** Certificates for one token, or for one certificate, at once; one in 10 s after that. */
  readonly renewalBurst: number;
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = { requestBurst: 60, renewalBurst: 10 };

export interface EnrolmentListenerDeps extends Pick<Runtime, 'clock' | 'logger'> {
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
  // Which fields are wrong, not what is in them: there may be a token.
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

/** @returns a signal that aborts when the client is gone */
const goneSignal = (response: ServerResponse): AbortSignal => {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
};

/**
 * Answers requests of agents beside the stream: the CA (its fingerprint is in the token), a first
 * certificate for a token, and the next one for the one that the connection shows. Every other
 * request gets 426 Upgrade Required.
 */
export const createEnrolmentListener = ({ identity, authority, clock, logger, limits }: EnrolmentListenerDeps): RequestListener => {
  const failures = createFailureLimit(clock, { burst: limits.requestBurst, perSecond: 5, addresses: 10_000 });
  const allowsProof = createRateLimit(clock, { burst: limits.renewalBurst, perSecond: 0.1, addresses: 10_000 });
  // Each renewal gives a certificate more, with a limit of its own, and an entry of the audit log.
  const allowsCluster = createRateLimit(clock, { burst: 6 * limits.renewalBurst, perSecond: 1 / 60, addresses: 10_000 });
  const levelFor = createNoiseLimit(clock);
  const routes: Readonly<Record<string, Handle>> = {
    [`GET ${CA_PATH}`]: async () => ({ type: 'application/x-pem-file', body: authority.bundle }),
    [`POST ${ENROL_PATH}`]: async (request, signal) => {
      const { token, csr } = await parseBody(EnrolRequest, request);
      // A token is good again for the key that used it, in case the answer was lost.
      if (!allowsProof(digestOfToken(token))) throw new Refusal('too-many-requests', 'this token is used too often');
      return json(await identity.enrol(token, csr, { from: addressOf(request), signal }));
    },
    [`POST ${RENEW_PATH}`]: async (request, signal) => {
      const peer = readPeer(request.socket as TLSSocket, authority, clock.now());
      if (peer === undefined) throw new Refusal('not-authorized', 'show the certificate that is to be renewed');
      // By certificate: who has an old one, or a copy of it, must not use up what the agent needs.
      if (!allowsProof(`${peer.cluster}/${peer.generation}/${peer.serial}`))
        throw new Refusal('too-many-requests', 'this certificate is renewed too often');
      // Expired ones apart: many may be kept, and copies of them must not use up what the agent
      // needs either.
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
    // A renewal is limited by its certificate: many agents may come from one address.
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
