import type { RequestListener, Server } from 'node:http';
import { type ConnectionLimiter, nodeHttp } from '@fso/shared/runtime';

const TIMEOUTS = {
  /** Milliseconds from the connection, or the answer before, to the end of a request's headers. */
  headersTimeout: 10_000,
  /** The same to the end of its body; a webhook has up to 25 MiB. */
  requestTimeout: 60_000,
  connectionsCheckingInterval: 2_000,
};
/** Connections at a time; with a proxy before the hub, those of the proxy. */
const MAX_CONNECTIONS = 4_096;

/**
 * Creates the listener of the API. A client that sends slowly is cut off, and those that have not
 * signed in are bounded.
 */
export const createApiServer = (api: RequestListener, connections: ConnectionLimiter): Server => {
  const server = nodeHttp.createServer(TIMEOUTS, api);
  server.maxConnections = MAX_CONNECTIONS;
  connections.watch(server);
  return server;
};
