import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import WebSocket, { WebSocketServer } from 'ws';
import { createAuditKey, createCheckpoints } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { FrameDecoder } from '../decoding/frame-decoder.ts';
import { RevisionTargets } from '../offers/revision-targets.ts';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from '../pacing/agent-budget.ts';
import { OfferLimit } from '../pacing/offer-limit.ts';
import { TurnLimiter } from '../pacing/turn-limiter.ts';
import { Session } from '../session.ts';
import type { DeliveryDeps, SessionOwner } from '../types.ts';
import { encodeHello } from './frames.ts';
import { SMALL_LIMITS } from './limits.ts';

const nothing = (): void => undefined;

/** Creates what the sessions of a hub share: a ledger in memory, and no offers. */
export const createSessionDeps = (clock: FakeClock): DeliveryDeps => {
  const ledger = createMemoryLedger({ clock });
  const logger = pino({ level: 'silent' });
  return {
    ledger,
    checkpoints: createCheckpoints({ ledger, key: createAuditKey(), clock, logger }),
    offers: { get: () => Promise.reject(new Error('no offers')), advance: async () => undefined, made: () => 0 },
    clock,
    logger,
    metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    targets: new RevisionTargets(),
    approvals: { of: () => undefined },
  };
};

/** Server of a hub that opens a session for each connection; its path names the cluster. */
export class SessionServer {
  /** The hub's ends of the connections, in the order in which they were made. */
  readonly sockets: WebSocket[] = [];
  readonly #sessions: Session[] = [];
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer, deps: DeliveryDeps, shared: Partial<SessionOwner>) {
    this.#server = server;
    const { clock } = deps;
    server.on('connection', (socket, { url = '/', socket: connection }) => {
      const owner: SessionOwner = {
        cluster: url.slice(1),
        budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
        handshakeTurns: new TurnLimiter(1, clock),
        resyncs: new TurnLimiter(1, clock),
        offerLimit: new OfferLimit(1, clock),
        decoder: new FrameDecoder(clock),
        ...shared,
        socket,
        connection,
      };
      this.sockets.push(socket);
      const options = { version: 'test', limits: SMALL_LIMITS };
      this.#sessions.push(new Session(owner, options, deps, { onReady: nothing, onClosed: nothing }));
    });
  }

  /** Starts a server. @param shared what its sessions share; each gets the rest for itself */
  static async start(deps: DeliveryDeps, shared: Partial<SessionOwner> = {}): Promise<SessionServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new SessionServer(server, deps, shared);
  }

  /** Returns the session of a connection. @throws Error where it is not open yet */
  session(index = 0): Session {
    const session = this.#sessions[index];
    if (session === undefined) throw new Error(`no session ${index}`);
    return session;
  }

  /** Begins the connection of an agent that says nothing yet. */
  open(cluster = 'eu', options: WebSocket.ClientOptions = {}): WebSocket {
    return new WebSocket(`ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${cluster}`, options);
  }

  /** Connects an agent, and waits until it is greeted. */
  async connect(): Promise<WebSocket> {
    const agent = this.open();
    await once(agent, 'open');
    agent.send(encodeHello());
    await once(agent, 'message');
    return agent;
  }

  close(): void {
    this.#server.close();
  }
}
