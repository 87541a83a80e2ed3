import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { createAgentServer } from '../../../hub/delivery/sockets/agent-server.ts';
import { createAuthority, type KeyPair } from '../../../hub/identity/index.ts';

/**
 * A process with the hub's own listener of agents, which accepts each stream and does nothing else:
 * what handshakes alone take.
 */

const HOST = '127.0.0.1';
const HOUR_MS = 3_600_000;

const serve = async (ca: KeyPair): Promise<number> => {
  const authority = createAuthority(ca);
  const validity = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
  const { cert, key } = await authority.issueServer([HOST], validity);
  const context = { cert: `${cert}${authority.bundle}`, key, ca: authority.bundle, minVersion: 'TLSv1.2' as const };
  const server = createAgentServer(undefined, {
    certificate: { context: () => context, expires: () => validity.notAfter, run: async () => undefined },
    listener: (_request, response) => void response.writeHead(426).end(),
  });
  const streams = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) =>
    streams.handleUpgrade(request, socket, head, (stream) => stream.on('error', () => undefined)),
  );
  const listening = Promise.withResolvers<void>();
  server.listen(0, HOST, () => listening.resolve());
  await listening.promise;
  return (server.address() as AddressInfo).port;
};

process.once('message', async (ca: KeyPair) => {
  process.send?.({ url: `wss://${HOST}:${await serve(ca)}` });
});
process.once('disconnect', () => process.exit(0));
