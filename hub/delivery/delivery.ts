import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { CLOSE_CODES, describeReturn, GOING_AWAY } from '@fso/shared/protocol';
import { createNoiseLimit } from '@fso/shared/runtime';
import { WebSocketServer } from 'ws';
import { StreamReplacedError } from '../ledger/changes.ts';
import { type AgentBudget, createAgentBudgets } from './agent-budget.ts';
import { type Session, startSession } from './session.ts';
import type { Denial, Gate, Proof } from './token-gate.ts';
import type { DeliveryDeps } from './types.ts';

export const AGENT_PATH = '/agent/v1/stream';

/** Step ④: the streams of all agents. */
export interface Delivery {
  /** Takes over the server's upgrades. */
  attach(server: HttpServer | HttpsServer): void;
  /** Offers a revision to those of the clusters that are connected. */
  publish(revision: string, clusters: readonly string[]): void;
  /** Looks again whether what the streams of a cluster have proven still holds, and closes those where it does not. */
  recheck(cluster: string): void;
  /** Names of the connected clusters. */
  connected(): readonly string[];
  /** Pings until aborted, then closes every stream. */
  run(signal: AbortSignal): Promise<void>;
}

/** A report of a policy has 1 to 4 KB; what it is besides (local policies, events, namespaces of a glob) is in the base. */
const FRAME_BYTES = { base: 16 * 1024 * 1024, perPolicy: 4 * 1024 };
/** Over how long the agents of a hub that stops spread their return: about a hundred a second. */
const RETURN = { msPerAgent: 10, maxMs: 30_000 };
/** A timer of Node ends here; what is due later is looked at then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const refuse = (socket: Duplex, status: string, reason = '', headers = ''): void => {
  const length = Buffer.byteLength(reason);
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n${headers}\r\n${reason}`);
};

const refuseAgent = (socket: Duplex, { status, reason }: Denial): void => {
  if (status === 403) refuse(socket, '403 Forbidden', reason);
  else if (status === 503) refuse(socket, '503 Service Unavailable', reason, 'Retry-After: 30\r\n');
  else refuse(socket, '401 Unauthorized', reason, 'WWW-Authenticate: Bearer\r\n');
};

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0] ?? '';

export const createDelivery = (gate: Gate, deps: DeliveryDeps): Delivery => {
  const { ledger, logger, limits, clock, metrics } = deps;
  const levelFor = createNoiseLimit(clock);
  const budgetOf = createAgentBudgets(clock, limits.agent);
  const open = new Map<Session, { readonly proof: Proof; readonly ended: AbortController }>();
  const byCluster = new Map<string, Session>();
  /** Those that have said no hello yet, oldest first. */
  const silent = new Set<Session>();
  /** Those that have said it. */
  const greeted = new WeakSet<Session>();

  const onReady = (session: Session): void => {
    silent.delete(session);
    greeted.add(session);
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
    open.get(session)?.ended.abort();
    open.delete(session);
    noteClosed();
    silent.delete(session);
    if (byCluster.get(session.cluster) === session) {
      byCluster.delete(session.cluster);
      metrics.connected(byCluster.size);
    }
    if (!greeted.has(session)) return;
    // Also of a stream that was replaced: where the newer one ended before it could be recorded, the older one still speaks for the cluster.
    ledger.setConnected(session.cluster, false, session.stream).catch((err: unknown) => {
      // Another stream speaks for the cluster, here or at another hub.
      if (!(err instanceof StreamReplacedError)) logger.error({ err }, 'ledger write failed');
    });
  };

  const recheck = async (session: Session, proof: Proof): Promise<void> => {
    const denial = await proof.recheck();
    if (denial === undefined) return;
    logger.warn({ cluster: session.cluster, reason: denial.reason }, 'stream closed: its proof does not hold any more');
    session.close(CLOSE_CODES.unauthorized, denial.reason);
  };
  const recheckSafely = (session: Session, proof: Proof): void => {
    recheck(session, proof).catch((err: unknown) => {
      logger.error({ err, cluster: session.cluster }, 'proof of a stream cannot be checked');
      session.close(1011, 'the hub cannot check who this is');
    });
  };
  /** A stream does not outlive what it was opened with. */
  const closeWhenExpired = async (session: Session, proof: Proof, signal: AbortSignal): Promise<void> => {
    while (proof.expires !== undefined && !signal.aborted) {
      const leftMs = proof.expires.getTime() - clock.now().getTime();
      if (leftMs <= 0) return recheckSafely(session, proof);
      await clock.sleep(Math.min(leftMs, MAX_TIMER_MS), signal).catch(() => undefined);
    }
  };

  const onOpen = (session: Session, proof: Proof): void => {
    const ended = new AbortController();
    open.set(session, { proof, ended });
    silent.add(session);
    // It may have been revoked while the connection was made.
    recheckSafely(session, proof);
    void closeWhenExpired(session, proof, ended.signal);
    const [oldest, ...others] = [...silent].filter(({ cluster }) => cluster === session.cluster);
    if (oldest === undefined || others.length < limits.maxSilent) return;
    logger.warn({ cluster: session.cluster }, 'too many streams without a hello');
    // Not counted while it closes, so that the next one closes another.
    silent.delete(oldest);
    oldest.close(CLOSE_CODES.badFrame, 'too many streams without a hello');
  };

  const isHeldBack = (budget: AgentBudget, cluster: string, socket: Duplex): boolean => {
    const blockedMs = budget.blockedMs();
    if (blockedMs === 0 && budget.mayConnect()) return false;
    logger[levelFor(cluster)]({ cluster, blockedMs }, 'agent held back: it connects too often, or the hub failed on what it sent');
    refuse(socket, '429 Too Many Requests', 'wait', `Retry-After: ${Math.max(1, Math.ceil(blockedMs / 1000))}\r\n`);
    return true;
  };
  /** For one connection: how large its frames may be depends on the commit in force. */
  const newServer = async (): Promise<WebSocketServer> => {
    const policies = (await ledger.desired())?.set.policies.length ?? 0;
    const maxPayload = Math.min(limits.maxFrameBytes, FRAME_BYTES.base + policies * FRAME_BYTES.perPolicy);
    // Without compression: a frame is serialised once for all, and compressing it per connection would undo that.
    return new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate: false });
  };
  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const judged = await gate(request);
    if ('status' in judged) {
      const remote = request.socket.remoteAddress;
      logger[levelFor(remote)]({ remote, reason: judged.reason }, 'agent refused');
      refuseAgent(socket, judged);
      return;
    }
    const { cluster } = judged;
    const budget = budgetOf(cluster);
    if (isHeldBack(budget, cluster, socket)) return;
    const server = await newServer();
    if (stopping) return refuse(socket, '503 Service Unavailable');
    server.handleUpgrade(request, socket, head, (webSocket) => {
      onOpen(startSession(webSocket, { cluster, budget }, deps, { onReady, onClosed }), judged);
    });
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    if (pathOf(request) !== AGENT_PATH) {
      refuse(socket, '404 Not Found');
      return;
    }
    admit(request, socket, head).catch((err: unknown) => {
      logger.error({ err }, 'agent cannot be judged');
      refuse(socket, '500 Internal Server Error');
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
    recheck: (cluster) => {
      for (const [session, { proof }] of open) if (session.cluster === cluster) recheckSafely(session, proof);
    },
    connected: () => [...byCluster.keys()],
    run: async (signal) => {
      while (!signal.aborted) await pingAll(signal);
      const reason = describeReturn(Math.min(open.size * RETURN.msPerAgent, RETURN.maxMs));
      for (const session of open.keys()) session.close(GOING_AWAY, reason);
      stopping = true;
      noteClosed();
      // What the ends of the streams have the ledger write is submitted then.
      await allClosed.promise;
    },
  };
};
