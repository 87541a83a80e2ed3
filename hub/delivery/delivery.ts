import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { CLOSE_CODES } from '@fso/shared/protocol';
import { WebSocketServer } from 'ws';
import type { Authenticate } from './authenticate.ts';
import { type Session, startSession } from './session.ts';
import type { DeliveryDeps } from './types.ts';

export const AGENT_PATH = '/agent/v1/stream';

/** Step ④: the streams of all agents. */
export interface Delivery {
  /** Takes over the server's upgrades. */
  attach(server: HttpServer | HttpsServer): void;
  /** Offers a revision to those of the clusters that are connected. */
  publish(revision: string, clusters: readonly string[]): void;
  /** Names of the connected clusters. */
  connected(): readonly string[];
  /** Pings until aborted, then closes every stream. */
  run(signal: AbortSignal): Promise<void>;
}

const refuse = (socket: Duplex, status: string, headers = ''): void => {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
};

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0] ?? '';

export const createDelivery = (authenticate: Authenticate, deps: DeliveryDeps): Delivery => {
  const { ledger, logger, limits, clock, metrics } = deps;
  // Without compression: a frame is serialised once for all, and compressing it per connection would undo that.
  const server = new WebSocketServer({ noServer: true, maxPayload: limits.maxFrameBytes, perMessageDeflate: false });
  const open = new Set<Session>();
  const byCluster = new Map<string, Session>();
  /** Those that have said no hello yet, oldest first. */
  const silent = new Set<Session>();

  const onReady = (session: Session): void => {
    silent.delete(session);
    const before = byCluster.get(session.cluster);
    byCluster.set(session.cluster, session);
    before?.close(CLOSE_CODES.replaced, 'the same cluster connected again');
    metrics.connected(byCluster.size);
  };
  const allClosed = Promise.withResolvers<void>();
  let stopping = false;
  const noteClosed = (): void => {
    if (stopping && open.size === 0) allClosed.resolve();
  };
  const onClosed = (session: Session): void => {
    open.delete(session);
    noteClosed();
    silent.delete(session);
    // One that was replaced says nothing about its cluster any more.
    if (byCluster.get(session.cluster) !== session) return;
    byCluster.delete(session.cluster);
    metrics.connected(byCluster.size);
    ledger.setConnected(session.cluster, false).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };

  const onOpen = (session: Session): void => {
    open.add(session);
    silent.add(session);
    const [oldest, ...others] = [...silent].filter(({ cluster }) => cluster === session.cluster);
    if (oldest === undefined || others.length < limits.maxSilent) return;
    logger.warn({ cluster: session.cluster }, 'too many streams without a hello');
    // Not counted while it closes, so that the next one closes another.
    silent.delete(oldest);
    oldest.close(CLOSE_CODES.badFrame, 'too many streams without a hello');
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    if (pathOf(request) !== AGENT_PATH) {
      refuse(socket, '404 Not Found');
      return;
    }
    const cluster = authenticate(request.headers.authorization);
    if (cluster === undefined) {
      logger.warn({ remote: request.socket.remoteAddress }, 'agent token refused');
      refuse(socket, '401 Unauthorized', 'WWW-Authenticate: Bearer\r\n');
      return;
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      onOpen(startSession(webSocket, cluster, deps, { onReady, onClosed }));
    });
  };

  const pingAll = async (signal: AbortSignal): Promise<void> => {
    await clock.sleep(limits.heartbeatMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    for (const session of byCluster.values()) session.ping();
  };

  deps.checkpoints.onNew(() => {
    for (const session of byCluster.values()) session.sendCheckpoint();
  });

  return {
    attach: (http) => {
      http.on('upgrade', upgrade);
    },
    publish: (revision, clusters) => {
      for (const cluster of clusters) byCluster.get(cluster)?.offer(revision);
    },
    connected: () => [...byCluster.keys()],
    run: async (signal) => {
      while (!signal.aborted) await pingAll(signal);
      for (const session of open) session.close(1001, 'the hub stops');
      server.close();
      stopping = true;
      noteClosed();
      // What the ends of the streams have the ledger write is submitted then.
      await allClosed.promise;
    },
  };
};
