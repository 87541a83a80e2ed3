import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { CLOSE_CODES, describeReturn, GOING_AWAY } from '@fso/shared/protocol';
import { createNoiseLimit, waitPatiently } from '@fso/shared/runtime';
import { WebSocketServer } from 'ws';
import type { AuthenticateAgent } from '../identity/index.ts';
import { StreamReplacedError } from '../ledger/index.ts';
import { FrameDecoder } from './decoding/frame-decoder.ts';
import type { AgentAnswer, AgentQuestion } from './inspections.ts';
import { ObservationWatch } from './observation.ts';
import { type AgentBudget, createAgentBudgets } from './pacing/agent-budget.ts';
import { OfferLimit } from './pacing/offer-limit.ts';
import { ReturnTime } from './pacing/return-time.ts';
import { TurnLimiter } from './pacing/turn-limiter.ts';
import { Turns } from './pacing/turns.ts';
import { Session } from './session.ts';
import { limitBytes } from './sockets/byte-limit.ts';
import { HandshakeQueue } from './sockets/handshake-queue.ts';
import { ProofWatch } from './sockets/proof-watch.ts';
import { refuseUpgrade, toUpgradeRefusal, type UpgradeRefusal } from './sockets/refuse-upgrade.ts';
import type { DeliveryDeps, DeliveryOptions, SessionHooks, SessionOwner } from './types.ts';

/** Path of the agents' stream on their listener. */
export const AGENT_PATH = '/agent/v1/stream';

/**
 * Most bytes that an agent may send before its welcome: a hello is small, and nothing else is read.
 */
const MAX_GREETING_BYTES = 64 * 1024;
/** Time over which agents spread their return when a hub stops: about a hundred a second. */
const RETURN = { msPerAgent: 10, maxMs: 30_000 };
/** Number of turns into which the time between two pings of an agent is divided. */
const TURNS = 15;
/**
 * Most bytes of checkpoints that are sent in one turn. If checkpoints are large, some agents get
 * theirs in a later turn.
 */
const MAX_CHECKPOINT_BYTES = 8 * 1024 * 1024;

/** @param agents number of agents that come back */
const returnMsOf = (agents: number): number => Math.min(agents * RETURN.msPerAgent, RETURN.maxMs);

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0] ?? '';

/** Step ④: the streams of all agents. */
export class Delivery {
  readonly #authenticate: AuthenticateAgent;
  readonly #options: DeliveryOptions;
  readonly #deps: DeliveryDeps;
  readonly #levelFor: ReturnType<typeof createNoiseLimit>;
  readonly #budgetOf: (cluster: string) => AgentBudget;
  readonly #handshakes: HandshakeQueue;
  readonly #webSockets: WebSocketServer;
  readonly #handshakeTurns: TurnLimiter;
  readonly #returnTime: ReturnTime;
  /** Parts that all sessions share. */
  readonly #shared: Pick<SessionOwner, 'handshakeTurns' | 'resyncs' | 'offerLimit' | 'decoder'>;
  readonly #hooks: SessionHooks<Session> = {
    onReady: (session) => this.#onReady(session),
    onClosed: (session) => this.#onClosed(session),
  };
  readonly #open = new Map<Session, ProofWatch>();
  readonly #byCluster = new Map<string, Session>();
  readonly #turns = new Turns<Session>(TURNS);
  /** Sessions without a hello so far, oldest first, with functions that lift their byte limits. */
  readonly #silent = new Map<Session, () => void>();
  readonly #allClosed = Promise.withResolvers<void>();
  readonly #observations: ObservationWatch;
  #isStopping: boolean = false;
  #isSendingCheckpoints: boolean = false;

  constructor(authenticate: AuthenticateAgent, options: DeliveryOptions, deps: DeliveryDeps) {
    this.#authenticate = authenticate;
    this.#options = options;
    this.#deps = deps;
    this.#levelFor = createNoiseLimit(deps.clock);
    this.#budgetOf = createAgentBudgets(deps.clock, options.limits.agent);
    const { unproven, queue } = options.limits.listener;
    this.#handshakes = new HandshakeQueue(unproven, queue, deps.clock);
    const maxPayload = options.limits.maxFrameBytes;
    // Without compression: a frame is encoded once for all agents, and would be compressed for
    // each.
    this.#webSockets = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate: false });
    this.#handshakeTurns = new TurnLimiter(options.limits.maxGreeted, deps.clock);
    this.#returnTime = new ReturnTime(this.#handshakeTurns, deps);
    this.#shared = {
      handshakeTurns: this.#handshakeTurns,
      resyncs: new TurnLimiter(options.limits.maxResyncs, deps.clock),
      offerLimit: new OfferLimit(options.limits.maxOfferBytes, deps.clock),
      decoder: new FrameDecoder(deps.clock),
    };
    this.#observations = new ObservationWatch(() => this.#byCluster.values(), options.limits, deps);
  }

  /**
   * Lengths of the queues: connections that wait for their handshake, agents for their welcome, and
   * offers to be sent.
   */
  queues(): { readonly connections: number; readonly agents: number; readonly offers: number } {
    return { connections: this.#handshakes.waiting, agents: this.#handshakeTurns.waiting, offers: this.#shared.offerLimit.waiting };
  }

  /** Whether agents wait to be let in, or more than a tenth of them have not reported yet. */
  get isAwaitingAgents(): boolean {
    const { connections, agents } = this.queues();
    let silent = 0;
    for (const { isConfirmed } of this.#byCluster.values()) if (!isConfirmed) silent += 1;
    return connections + agents > 0 || silent > this.#byCluster.size / 10;
  }

  /** Takes over the server's upgrades. */
  attach(server: HttpServer | HttpsServer): void {
    this.#handshakes.watch(server);
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Offers a revision to those of the clusters that are connected. */
  publish(revision: string, clusters: readonly string[]): void {
    for (const cluster of clusters) this.#byCluster.get(cluster)?.offer(revision);
  }

  /** Closes the streams of a cluster whose proofs do not hold any more. */
  recheck(cluster: string): void {
    for (const [session, proof] of this.#open) if (session.cluster === cluster) proof.recheck();
  }

  /** Ends every stream. The agents come back within a time that grows with their number. */
  endStreams(): void {
    const reason = describeReturn(returnMsOf(this.#open.size));
    for (const session of this.#open.keys()) session.close(GOING_AWAY, reason);
  }

  /** Whether this hub has the stream of a cluster's agent. */
  holds(cluster: string): boolean {
    return this.#byCluster.has(cluster);
  }

  /** Asks the agent of a cluster, if its stream is here. */
  async ask(cluster: string, question: AgentQuestion, caller?: AbortSignal): Promise<AgentAnswer | undefined> {
    return this.#byCluster.get(cluster)?.ask(question, caller);
  }

  /** @returns names of the connected clusters */
  connected(): readonly string[] {
    return [...this.#byCluster.keys()];
  }

  /** Pings and sends checkpoints until aborted, then closes every stream. */
  async run(signal: AbortSignal): Promise<void> {
    const observing = this.#observations.run(signal);
    while (!signal.aborted) await this.#serveTurn(signal);
    await observing;
    this.endStreams();
    this.#isStopping = true;
    this.#noteClosed();
    // Waits for all streams to end, so that the ledger has their last writes.
    await this.#allClosed.promise;
    await this.#shared.decoder.close();
  }

  /**
   * Checks for proofs that have expired. Pings the agents whose turn it is, and sends them the
   * newest checkpoint.
   */
  async #serveTurn(signal: AbortSignal): Promise<void> {
    await waitPatiently(this.#deps.clock, this.#options.limits.heartbeatMs / TURNS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const nowMs = this.#deps.clock.now().getTime();
    for (const proof of this.#open.values()) proof.recheckIfExpired(nowMs);
    const sessions = [...this.#turns.take()];
    for (const session of sessions) session.ping();
    // Not awaited: it reads the database, which must not delay any ping.
    if (!this.#isSendingCheckpoints) void this.#sendCheckpoints(sessions);
  }

  async #sendCheckpoints(sessions: readonly Session[]): Promise<void> {
    this.#isSendingCheckpoints = true;
    for (let at = 0, bytes = 0; at < sessions.length && bytes < MAX_CHECKPOINT_BYTES; at += 1)
      bytes += (await sessions[at]?.sendCheckpoint()) ?? 0;
    this.#isSendingCheckpoints = false;
  }

  /**
   * Marks reports as unknown after a pause of this process, until their agents are heard again. As
   * the pause is no fault of the agents, nothing is written about it for a while.
   */
  suspendObservation(): void {
    this.#observations.suspend();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (pathOf(request) !== AGENT_PATH) {
      this.#refuse(socket, { status: '404 Not Found' });
      return;
    }
    this.#admit(request, socket, head).catch((err: unknown) => {
      this.#deps.logger.error({ err }, 'agent cannot be admitted');
      this.#refuse(socket, { status: '500 Internal Server Error' });
    });
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const judged = await this.#authenticate(request);
    if ('status' in judged) {
      const remote = request.socket.remoteAddress;
      this.#deps.logger[this.#levelFor(remote)]({ remote, reason: judged.reason }, 'agent refused');
      return this.#refuse(socket, toUpgradeRefusal(judged));
    }
    this.#handshakes.release(request.socket);
    const { cluster } = judged;
    const budget = this.#budgetOf(cluster);
    if (this.#isHeldBack(budget, cluster, socket)) return;
    if (this.#handshakeTurns.waiting >= this.#options.limits.maxWaiting) return this.#askToComeLater(socket);
    if (this.#isStopping) return this.#refuse(socket, { status: '503 Service Unavailable' });
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const liftByteLimit = limitBytes(socket, MAX_GREETING_BYTES, () => {
        this.#deps.logger[this.#levelFor(cluster)]({ cluster }, 'agent cut off: it sends too much before its welcome');
        budget.strikes.add();
        webSocket.terminate();
      });
      const owner = { cluster, budget, socket: webSocket, connection: socket, ...this.#shared };
      const session = new Session(owner, this.#options, this.#deps, this.#hooks);
      this.#onOpen(session, new ProofWatch(session, judged, this.#deps.logger), liftByteLimit);
    });
  }

  #refuse(socket: Duplex, refusal: UpgradeRefusal): void {
    refuseUpgrade(socket, this.#deps.clock, refusal);
  }

  async #askToComeLater(socket: Duplex): Promise<void> {
    const seconds = await this.#returnTime.seconds();
    const reason = 'many agents are connecting: come back later';
    this.#refuse(socket, { status: '503 Service Unavailable', reason, headers: `Retry-After: ${seconds}\r\n` });
  }

  #isHeldBack(budget: AgentBudget, cluster: string, socket: Duplex): boolean {
    const blockedMs = budget.strikes.leftMs();
    if (blockedMs === 0 && budget.mayConnect()) return false;
    const level = this.#levelFor(cluster);
    this.#deps.logger[level]({ cluster, blockedMs }, 'agent held back: it connects too often, or the hub failed on what it sent');
    const seconds = Math.max(1, Math.ceil(blockedMs / 1000));
    this.#refuse(socket, { status: '429 Too Many Requests', reason: 'wait', headers: `Retry-After: ${seconds}\r\n` });
    return true;
  }

  #onOpen(session: Session, proof: ProofWatch, liftByteLimit: () => void): void {
    this.#open.set(session, proof);
    this.#silent.set(session, liftByteLimit);
    // The proof may have been revoked while the connection was made.
    proof.recheck();
    let [oldest, count]: [Session | undefined, number] = [undefined, 0];
    for (const silent of this.#silent.keys()) {
      if (silent.cluster !== session.cluster) continue;
      oldest ??= silent;
      count += 1;
    }
    if (oldest === undefined || count <= this.#options.limits.maxSilent) return;
    this.#deps.logger.warn({ cluster: session.cluster }, 'too many streams without a hello');
    // Not counted while it closes, so that the next one closes another.
    this.#silent.delete(oldest);
    oldest.close(CLOSE_CODES.badFrame, 'too many streams without a hello');
  }

  #onReady(session: Session): void {
    this.#silent.get(session)?.();
    this.#silent.delete(session);
    const before = this.#byCluster.get(session.cluster);
    this.#byCluster.set(session.cluster, session);
    this.#turns.add(session);
    before?.close(CLOSE_CODES.replaced, 'the same cluster connected again');
    this.#deps.metrics.connected(this.#byCluster.size);
  }

  #onClosed(session: Session): void {
    const { ledger, logger, metrics } = this.#deps;
    this.#open.delete(session);
    this.#noteClosed();
    this.#silent.delete(session);
    this.#turns.delete(session);
    if (this.#byCluster.get(session.cluster) === session) {
      this.#byCluster.delete(session.cluster);
      metrics.connected(this.#byCluster.size);
    }
    if (!session.isGreeted) return;
    // Also for a stream that was replaced: if the newer one ended before it was recorded, the
    // ledger still has the older one.
    ledger.setConnected(session.cluster, false, session.stream).catch((err: unknown) => {
      // The cluster has another stream, here or at another hub.
      if (!(err instanceof StreamReplacedError)) logger.error({ err }, 'ledger write failed');
    });
  }

  #noteClosed(): void {
    if (this.#isStopping && this.#open.size === 0) this.#allClosed.resolve();
  }
}
