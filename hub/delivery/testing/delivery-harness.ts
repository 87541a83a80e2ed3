import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeFrame } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import WebSocket from 'ws';
import { authenticateByToken } from '../../identity/index.ts';
import { type AuditKey, type Checkpoints, createAuditKey, createCheckpoints } from '../../ledger/index.ts';
import { AGENT_PATH, Delivery } from '../delivery.ts';
import type { Offers } from '../offers/offers.ts';
import { RevisionTargets } from '../offers/revision-targets.ts';
import type { DeliveryLimits } from '../types.ts';
import { createHeldLedger, type HeldLedger } from './held-ledger.ts';
import { SMALL_LIMITS } from './limits.ts';

const TOKENS = new Map([
  ['eu', 'token-of-eu-0123456789'],
  ['us', 'token-of-us-0123456789'],
]);
const nothing = (): void => undefined;

const OFFERS: Offers = {
  get: async (_agent, revision) => {
    const frame = encodeFrame({ type: 'offer', revision, anchor: null, chain: [revision], objects: [] });
    return { revision, shared: Buffer.from(frame.slice(0, -2)), own: Buffer.from(frame.slice(-2)), objects: 0 };
  },
  advance: async () => undefined,
  made: () => 0,
};

/** Connection of an agent. */
export interface AgentConnection {
  readonly socket: WebSocket;
  /** Code with which the connection was closed. */
  readonly closed: Promise<number>;
}

/** Delivery of a hub to the agents of the clusters eu and us, over real sockets. */
export interface DeliveryHarness extends Omit<HeldLedger, 'held'> {
  readonly delivery: Delivery;
  readonly key: AuditKey;
  readonly checkpoints: Checkpoints;
  readonly targets: RevisionTargets;
  /** Opens a connection with the token of the cluster; the agent says nothing yet. */
  readonly connect: (cluster: string, options?: WebSocket.ClientOptions) => Promise<AgentConnection>;
  readonly close: () => Promise<void>;
}

/** Starts a server that agents connect to. @param attach lets the server take their connections */
const startAgentServer = async (attach: (server: Server) => void): Promise<Pick<DeliveryHarness, 'connect' | 'close'>> => {
  const http = createServer();
  attach(http);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const sockets: WebSocket[] = [];
  const connect = async (cluster: string, options: WebSocket.ClientOptions = {}) => {
    const socket = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}${AGENT_PATH}`, {
      ...options,
      headers: { Authorization: `Bearer ${TOKENS.get(cluster)}` },
    });
    sockets.push(socket);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return { socket, closed };
  };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.terminate();
    await new Promise((resolve) => http.close(resolve));
  };
  return { connect, close };
};

/** Starts a hub's delivery. @param limits those that differ from the usual ones of these tests */
export const startDelivery = async (limits: Partial<DeliveryLimits> = {}): Promise<DeliveryHarness> => {
  const { ledger, held, ...recorded } = createHeldLedger();
  const key = createAuditKey();
  const logger = pino({ level: 'silent' });
  const checkpoints = createCheckpoints({ ledger, key, clock: systemClock, logger });
  const targets = new RevisionTargets();
  const delivery = new Delivery(
    authenticateByToken(TOKENS),
    { version: 'test', limits: { ...SMALL_LIMITS, maxResyncs: 1, ...limits } },
    {
      ledger: held,
      checkpoints,
      offers: OFFERS,
      targets,
      approvals: { of: () => undefined },
      clock: systemClock,
      logger,
      metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    },
  );
  const server = await startAgentServer((http) => delivery.attach(http));
  return { delivery, ledger, key, checkpoints, targets, ...recorded, ...server };
};
