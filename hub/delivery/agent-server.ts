import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { nodeHttp } from '@fso/shared/runtime';
import type { TlsFiles } from '../config/files.ts';
import type { AgentListenerIdentity } from '../identity/index.ts';

export type AnyServer = Server | TlsServer;

const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 20_000;

/** Without enrolment agents upgrade; whoever does not is told so. */
const upgradeOnly: RequestListener = (_request, response) => void response.writeHead(426, { Connection: 'close' }).end();

/** Certificates of clients are asked for, and judged where it is known what they are for: a first certificate is asked for without one. */
const createIdentityServer = ({ certificate, listener }: AgentListenerIdentity): TlsServer => {
  const options = { ...certificate.context(), requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS };
  return createTlsServer(options, listener);
};

const createPlainServer = (tls: TlsFiles | undefined): AnyServer =>
  tls === undefined ? nodeHttp.createServer(upgradeOnly) : createTlsServer({ ...tls, minVersion: 'TLSv1.2' }, upgradeOnly);

/** The listener of the agents. Who sends slowly is cut off. */
export const createAgentServer = (tls: TlsFiles | undefined, identity: AgentListenerIdentity | undefined): AnyServer => {
  const server = identity === undefined ? createPlainServer(tls) : createIdentityServer(identity);
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  return server;
};

/** Until aborted: gives the listener its next certificate in time. */
export const keepCertificate = async (
  server: AnyServer,
  identity: AgentListenerIdentity | undefined,
  signal: AbortSignal,
): Promise<void> => {
  if (identity !== undefined && 'setSecureContext' in server) await identity.certificate.run(server, signal);
};
