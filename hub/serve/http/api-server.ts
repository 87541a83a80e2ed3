import type { RequestListener, Server } from 'node:http';
import { type ConnectionLimiter, nodeHttp } from '@fso/shared/runtime';

const TIMEOUTS = {
  /**
   * Time for the headers of a request, from the connection or the previous answer, in milliseconds.
   */
  headersTimeout: 10_000,
  /** Time for the whole request, in milliseconds. A webhook may have up to 25 MiB. */
  requestTimeout: 60_000,
  connectionsCheckingInterval: 2_000,
};
/** Maximum number of connections. Behind a proxy, these are those of the proxy. */
const MAX_CONNECTIONS = 4_096;

/**
 * Creates the listener of the API. Slow requests are aborted, and connections without
 * authentication are limited.
 */
export const createApiServer = (api: RequestListener, connections: ConnectionLimiter): Server => {
  const server = nodeHttp.createServer(TIMEOUTS, api);
  server.maxConnections = MAX_CONNECTIONS;
  connections.watch(server);
  return server;
};
