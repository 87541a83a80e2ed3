import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { nodeHttp } from '@fso/shared/runtime';
import type { AgentListenerIdentity, KeyPair } from '../identity/index.ts';

export type AgentServer = Server | TlsServer;

const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 20_000;

/** Without enrolment the listener takes upgrades alone. */
const upgradeOnly: RequestListener = (_request, response) => void response.writeHead(426, { Connection: 'close' }).end();

/** The listener asks clients for a certificate and leaves the judgement to the handlers: an agent asks for its first certificate without one. */
const createIdentityServer = ({ certificate, listener }: AgentListenerIdentity): TlsServer => {
  const options = { ...certificate.context(), requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS };
  return createTlsServer(options, listener);
};

const createPlainServer = (tls: KeyPair | undefined): AgentServer =>
  tls === undefined ? nodeHttp.createServer(upgradeOnly) : createTlsServer({ ...tls, minVersion: 'TLSv1.2' }, upgradeOnly);

/** Creates the listener of the agents. A client that sends slowly is cut off. */
export const createAgentServer = (tls: KeyPair | undefined, identity: AgentListenerIdentity | undefined): AgentServer => {
  const server = identity === undefined ? createPlainServer(tls) : createIdentityServer(identity);
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  return server;
};

/** Gives the listener its next certificate in time, until aborted. */
export const keepCertificate = async (
  server: AgentServer,
  identity: AgentListenerIdentity | undefined,
  signal: AbortSignal,
): Promise<void> => {
  if (identity !== undefined && 'setSecureContext' in server) await identity.certificate.run(server, signal);
};
