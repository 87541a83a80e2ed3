import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS, nodeHttp } from '@fso/shared/runtime';
import type { AgentListenerIdentity, KeyPair } from '../../identity/index.ts';
import type { QueueLimits } from './handshake-queue.ts';

/** Server of the agents' listener; without TLS if a proxy before it terminates TLS. */
export type AgentServer = Server | TlsServer;

/** Limits on clients that have not proven yet that they are agents. */
export interface ListenerLimits {
  /** Milliseconds for a TLS handshake. */
  readonly handshakeMs: number;
  /** Milliseconds from the connection to the end of a request's headers. */
  readonly headersMs: number;
  /** Milliseconds from the connection to the end of a request. */
  readonly requestMs: number;
  /** Milliseconds between two checks for requests that take longer. */
  readonly checkMs: number;
  /** Connections at a time, proven or not. */
  readonly maxConnections: number;
  readonly unproven: ConnectionLimits;
  readonly queue: QueueLimits;
}

/** Limits of the agents' listener in production; tests set smaller ones. */
export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 20_000,
  checkMs: 2_000,
  // Three for each cluster of the largest fleet; each takes 20 to 90 KB.
  maxConnections: 32_768,
  unproven: DEFAULT_CONNECTION_LIMITS,
  // An agent waits for a minute for its handshake, which begins in the accept queue of the kernel.
  queue: { maxWaiting: 4_096, waitMs: 40_000, maxYoung: 64 },
};

/** Refuses plain requests: without enrolment the listener accepts only upgrades. */
const upgradeOnly: RequestListener = (_request, response) => void response.writeHead(426, { Connection: 'close' }).end();

/** Creates the listener of the agents. A client that sends slowly is cut off. */
export const createAgentServer = (
  tls: KeyPair | undefined,
  identity: Pick<AgentListenerIdentity, 'certificate' | 'listener'> | undefined,
  limits: ListenerLimits = DEFAULT_LISTENER_LIMITS,
): AgentServer => {
  const { handshakeMs, headersMs, requestMs, checkMs, maxConnections } = limits;
  const http = { headersTimeout: headersMs, requestTimeout: requestMs, connectionsCheckingInterval: checkMs };
  // Nothing is read of a connection before its handshake begins.
  const secure = { ...http, handshakeTimeout: handshakeMs, pauseOnConnect: true };
  const create = (): AgentServer => {
    // Clients are asked for a certificate, and the handlers decide: an agent has none yet when it
    // asks for its first one.
    if (identity !== undefined)
      return createTlsServer(
        { ...secure, ...identity.certificate.context(), requestCert: true, rejectUnauthorized: false },
        identity.listener,
      );
    if (tls !== undefined) return createTlsServer({ ...secure, ...tls, minVersion: 'TLSv1.2' }, upgradeOnly);
    return nodeHttp.createServer(http, upgradeOnly);
  };
  const server = create();
  server.maxConnections = maxConnections;
  return server;
};

/** Renews the certificate of the listener in time, until aborted. */
export const keepCertificate = async (
  server: AgentServer,
  identity: AgentListenerIdentity | undefined,
  signal: AbortSignal,
): Promise<void> => {
  if (identity !== undefined && 'setSecureContext' in server) await identity.certificate.run(server, signal);
};
