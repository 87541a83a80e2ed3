import { randomUUID } from 'node:crypto';
import { type AgentFrame, CLOSE_CODES, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { type Logger, waitPatiently } from '@fso/shared/runtime';
import type WebSocket from 'ws';
import { type AgentStream, LedgerError, StreamReplacedError } from '../ledger/index.ts';
import { FrameReader } from './decoding/frame-reader.ts';
import { FrameDispatcher } from './frame-dispatcher.ts';
import { createSessionState, type FrameContext, logLimited, type SessionState } from './frame-handlers.ts';
import { Heartbeat } from './heartbeat.ts';
import { type Hello, keepHeld, noteHeld, refuseHello, sendCheckpoints } from './hello.ts';
import { type AgentAnswer, type AgentQuestion, Inspections } from './inspections.ts';
import { OfferSender } from './offers/offer-sender.ts';
import { Outbox } from './outbox.ts';
import type { AgentBudget } from './pacing/agent-budget.ts';
import { ResyncTurn } from './pacing/resync-turn.ts';
import type { TurnLimiter } from './pacing/turn-limiter.ts';
import { acknowledge, reportedStateOf } from './reports/take-report.ts';
import { AgentSocket, isProtocolError } from './sockets/agent-socket.ts';
import type { DeliveryDeps, DeliveryOptions, SessionHooks, SessionOwner } from './types.ts';

/**
 * Longest wait for the first frame after the welcome, in milliseconds, so that a silent agent does
 * not keep the others waiting.
 */
const FIRST_FRAME_MS = 10_000;
/** Phase of the greeting of an agent. */
type Phase = { readonly name: 'silent' } | { readonly name: 'greeting'; readonly greeted: Promise<void> } | { readonly name: 'ready' };

/** The open stream of one agent. */
export class Session {
  readonly cluster: string;
  /** The stream as the ledger knows it. */
  readonly stream: AgentStream;
  readonly #webSocket: WebSocket;
  readonly #socket: AgentSocket;
  readonly #budget: AgentBudget;
  readonly #handshakeTurns: TurnLimiter;
  readonly #reader: FrameReader;
  readonly #options: DeliveryOptions;
  readonly #deps: DeliveryDeps;
  readonly #hooks: SessionHooks<Session>;
  readonly #logger: Logger;
  readonly #outbox: Outbox;
  readonly #state: SessionState;
  readonly #context: FrameContext;
  readonly #inspections = new Inspections();
  readonly #dispatcher: FrameDispatcher;
  readonly #offers: OfferSender;
  readonly #heartbeat: Heartbeat;
  #phase: Phase = { name: 'silent' };

  constructor(
    { cluster, budget, socket, connection, handshakeTurns, resyncs, offerLimit, decoder }: SessionOwner,
    options: DeliveryOptions,
    deps: DeliveryDeps,
    hooks: SessionHooks<Session>,
  ) {
    const { clock } = deps;
    const { limits } = options;
    this.cluster = cluster;
    this.#webSocket = socket;
    this.#socket = new AgentSocket(socket, clock);
    this.stream = { id: randomUUID(), isOpen: () => this.#socket.isOpen };
    this.#budget = budget;
    this.#handshakeTurns = handshakeTurns;
    this.#options = options;
    this.#deps = deps;
    this.#hooks = hooks;
    this.#logger = deps.logger.child({ cluster });
    this.#state = createSessionState(clock);
    const send = (frame: HubFrame): void => this.#outbox.send(encodeFrame(frame));
    const { closed } = this.#socket;
    const turns = { resync: new ResyncTurn(resyncs, clock, closed), listing: new ResyncTurn(resyncs, clock, closed) };
    this.#context = { cluster, stream: this.stream, closed, state: this.#state, budget, send, ...turns, deps, logger: this.#logger };
    this.#outbox = new Outbox(socket, {
      clock,
      connection,
      stallMs: limits.stallMs,
      maxBufferedBytes: limits.maxBufferedBytes,
      offerLimit,
      onTooSlow: () => {
        this.#logger.warn('agent too slow');
        this.#noteStall();
        this.close(CLOSE_CODES.tooSlow, 'the connection does not drain');
      },
      onOffered: (offer) => this.#offers.noteSent(offer),
    });
    this.#reader = new FrameReader(this.#context, decoder, (code, reason) => this.close(code, reason));
    const onWriteFailure = (err: unknown): void => this.#noteWriteFailure(err);
    const onFailure = (err: unknown): void => this.#fail(err);
    this.#dispatcher = new FrameDispatcher(this.#context, { inspections: this.#inspections, onFailure, onWriteFailure });
    this.#offers = new OfferSender(this.#context, {
      outbox: this.#outbox,
      pace: (ms) => this.#socket.pace(ms),
      refuse: (nack) => void this.#dispatcher.takeNack(nack).catch(onWriteFailure),
      fail: () => this.close(1011, 'the offer cannot be made'),
      onWriteFailure,
    });
    this.#heartbeat = new Heartbeat(this.#context, { webSocket: socket, socket: this.#socket, limits, onWriteFailure });
    this.#listen();
    waitPatiently(clock, limits.helloMs, this.#socket.closed).then(
      () => {
        if (this.#phase.name === 'silent') this.close(CLOSE_CODES.badFrame, 'no hello in time');
      },
      () => undefined,
    );
  }

  /**
   * Offers the agent a revision, unless it is on its way there. A failed offer closes the stream.
   */
  offer(revision: string): void {
    this.#offers.offer(revision);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Asks the agent for what it does not report. Nothing large is sent while an offer is sent. */
  async ask(question: AgentQuestion, caller?: AbortSignal): Promise<AgentAnswer | undefined> {
    if (!this.isGreeted || !this.stream.isOpen()) return undefined;
    return this.#inspections.ask(question, this.#outbox, { clock: this.#deps.clock, signal: this.#socket.closed, caller });
  }

  /**
   * Sends the newest checkpoint of the audit log, if the agent does not have it. @returns number of
   * bytes that were sent; never rejects
   */
  async sendCheckpoint(): Promise<number> {
    // An offer to a slow agent may take longer than many checkpoints.
    if (!this.isGreeted || !this.stream.isOpen() || this.#outbox.isBusy) return 0;
    return sendCheckpoints(this.#context, this.#outbox);
  }

  /** Acknowledges reports and pings the agent, or cuts off one that has not answered. */
  ping(): void {
    if (!this.isGreeted) return;
    acknowledge(this.#context);
    if (this.#heartbeat.beat()) return;
    this.#logger.warn('agent does not answer');
    if (this.#webSocket.bufferedAmount > 0 || this.#offers.isOnTrial) this.#noteStall();
    this.#webSocket.terminate();
  }

  /** Counts a stall of an agent that is cut off because it reads nothing of what it is sent. */
  #noteStall(): void {
    if (this.stream.isOpen()) this.#budget.stalls.add();
  }

  /** Forgets the ages of the agent, and requests them. @returns whether there were any */
  askAges(): boolean {
    if (this.isGreeted && this.stream.isOpen()) this.#webSocket.ping();
    return this.#heartbeat.forgetAges();
  }

  /**
   * Records ages that are too high or were not written with their pong, and an offer without an
   * answer. Ends the stream of an agent that reads nothing.
   */
  noteOverdue(): void {
    if (!this.isGreeted) return;
    this.#heartbeat.noteAges();
    this.#offers.catchUp();
    this.#outbox.checkProgress();
  }

  /** Whether the agent has reported the current state of its cluster. */
  get isConfirmed(): boolean {
    return this.#state.reports.isConfirmed;
  }

  /** Whether the agent was greeted. */
  get isGreeted(): boolean {
    return this.#phase.name === 'ready';
  }

  #listen(): void {
    const socket = this.#webSocket;
    socket.on('message', (data, binary) => {
      this.#heartbeat.noteAlive();
      // Always one buffer: the type of binary messages is the default one.
      this.#enqueue((data as Buffer).byteLength, () => this.#receive(data as Buffer, binary));
    });
    socket.on('pong', (data) => {
      // The first pongs do not prove that the agent reads: one comes unasked, and one may answer
      // the ping that came with the welcome.
      if (this.#heartbeat.takePong(data)) this.#offers.endTrial();
      // Only a greeted agent counts as connected: for others, nothing would revert that when this
      // stream ends.
      if (this.isGreeted) this.#heartbeat.noteSeen();
      this.#enqueue(0, async () => undefined);
    });
    socket.on('ping', () => {
      // On a slow link, pings of the agent come long before its answer to a ping of the hub, which
      // waits behind a part of an offer.
      this.#heartbeat.noteAlive();
      this.#enqueue(0, async () => undefined);
      // The hub answers each ping, even if the agent does not read the answers.
      if (socket.bufferedAmount <= this.#options.limits.maxBufferedBytes) return;
      this.#noteStall();
      socket.terminate();
    });
    socket.on('error', (err) => {
      logLimited(this.#context, 'warn', { err }, 'stream failed');
      if (isProtocolError(err)) this.#budget.strikes.add();
    });
    socket.on('close', (code, reason) => {
      if (this.isGreeted) this.#logger.info({ code, reason: String(reason) }, 'agent disconnected');
      this.#hooks.onClosed(this);
    });
  }

  #enqueue(bytes: number, work: () => Promise<void>): void {
    const paced = async (): Promise<void> => {
      const waitMs = this.#budget.frame(bytes);
      // A hello is not held back: the number of connections is bounded already.
      await this.#socket.pace(this.isGreeted ? waitMs : 0);
      await work();
    };
    this.#socket.enqueue(paced, (err) => this.#fail(err));
  }

  #fail(err: unknown): void {
    if (err === this.#socket.closed.reason || this.#endIfReplaced(err)) return;
    this.#logger.error({ err }, 'frame failed');
    // A ledger that is closed or full is not the agent's doing.
    if (!(err instanceof LedgerError)) this.#budget.strikes.add();
    this.close(1011, 'the hub failed on a frame');
  }

  /** Closes this stream if the agent has another one, at any hub. @returns whether it has */
  #endIfReplaced(err: unknown): boolean {
    if (!(err instanceof StreamReplacedError)) return false;
    this.close(CLOSE_CODES.replaced, err.message);
    return true;
  }

  #noteWriteFailure(err: unknown): void {
    if (!this.#endIfReplaced(err)) this.#logger.error({ err }, 'ledger write failed');
  }

  async #receive(data: Buffer, isBinary: boolean): Promise<void> {
    const frame = await this.#reader.read(data, isBinary);
    if (frame !== undefined) await this.#take(frame);
  }

  async #take(frame: AgentFrame): Promise<void> {
    const { name } = this.#phase;
    if ((frame.type === 'hello') !== (name === 'silent')) {
      this.close(CLOSE_CODES.badFrame, name === 'silent' ? 'the first frame must be a hello' : 'a second hello');
      return;
    }
    if (frame.type === 'hello') {
      // Not awaited: the stream is still read while the agent waits for its turn, or gives up.
      const greeted = this.#greet(frame);
      this.#phase = { name: 'greeting', greeted };
      greeted.catch((err: unknown) => this.#fail(err));
      return;
    }
    if (this.#phase.name === 'greeting') await this.#phase.greeted;
    if (this.stream.isOpen()) await this.#dispatcher.take(frame);
  }

  async #greet(hello: Hello): Promise<void> {
    const refused = refuseHello(hello, this.cluster);
    if (refused !== undefined) {
      logLimited(this.#context, 'warn', { reason: refused.reason }, 'hello refused');
      this.close(refused.code, refused.reason);
      return;
    }
    // Delays an agent that was cut off as it read nothing: each return costs a handshake.
    if (this.#budget.stalls.isOwed) this.#offers.beginTrial();
    await this.#socket.pace(this.#budget.stalls.leftMs());
    await this.#waitForTurn();
    const reported = reportedStateOf(await this.#deps.ledger.cluster(this.cluster), hello.revision === null);
    if (!this.stream.isOpen()) return;
    this.#phase = { name: 'ready' };
    noteHeld(hello, this.#context);
    const time = this.#deps.clock.now().toISOString();
    this.#context.send({ type: 'welcome', protocol: PROTOCOL_VERSION, hubVersion: this.#options.version, time, reported });
    // The pong brings the current ages of the agent.
    this.#webSocket.ping();
    this.#hooks.onReady(this);
    const target = this.#deps.targets.targetOf(this.cluster);
    if (target !== null) this.offer(target);
    // Not awaited: the hub serves the agent even while the database is unavailable.
    const kept = this.#heartbeat.openStream(hello).then(() => keepHeld(hello, this.#context));
    kept.catch((err: unknown) => this.#noteWriteFailure(err));
    void this.sendCheckpoint();
    this.#logger.info({ revision: hello.revision, agentVersion: hello.agentVersion }, 'agent connected');
  }

  async #waitForTurn(): Promise<void> {
    const leave = await this.#handshakeTurns.enter(this.#socket.closed);
    this.#dispatcher.onFirstReport(leave);
    void this.#deps.clock.sleep(FIRST_FRAME_MS, this.#socket.closed).then(leave, leave);
  }
}
