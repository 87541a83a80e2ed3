import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { GitObjectError } from '@fso/shared/git';
import { type AgentFrame, type CheckpointFrame, CLOSE_CODES, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { createBucket, type Logger, messageOf, OVER, waitPatiently, weakMemo } from '@fso/shared/runtime';
import type WebSocket from 'ws';
import { type AgentStream, LedgerError, StreamReplacedError } from '../ledger/index.ts';
import type { FrameDecoder } from './decoding/frame-decoder.ts';
import { allowAnswer, createSessionState, type FrameContext, logLimited, type SessionState, takeAck, takeNack } from './frame-handlers.ts';
import { findWitness, type Hello, keepRevision, keepWitness, refuseHello, sendCheckpoints } from './hello.ts';
import { Inspections, type Told } from './inspections.ts';
import { AgentObservation } from './observation.ts';
import { OfferTooLargeError, withTraceparent } from './offers.ts';
import { Outbox } from './outbox.ts';
import type { Admission } from './pacing/admission.ts';
import type { AgentBudget } from './pacing/agent-budget.ts';
import type { OfferLimit } from './pacing/offer-limit.ts';
import { ResyncTurn } from './pacing/resync-turn.ts';
import { takeListed } from './reports/lists.ts';
import { isDiverged, isIncomplete } from './reports/resync.ts';
import { noteMended, reportedStateOf, takeDigest, takeReport } from './reports/take-report.ts';
import { AgentSocket, isProtocolError } from './sockets/agent-socket.ts';
import type { DeliveryDeps, DeliveryOptions } from './types.ts';

/** Whose connection it is. */
export interface SessionOwner {
  /** As proven by the certificate or token of the connection. */
  readonly cluster: string;
  readonly budget: AgentBudget;
  readonly socket: WebSocket;
  /** Below the WebSocket. */
  readonly connection: Duplex;
  /** Shared by all agents. */
  readonly admission: Admission;
  /** Shared by all agents: those that are asked for a full report. */
  readonly resyncs: Admission;
  /** Shared by all agents. */
  readonly offerLimit: OfferLimit;
  /** Shared by all agents. */
  readonly decoder: FrameDecoder;
  /** The agent wants the trace of each commit. */
  readonly isTraced?: boolean;
}

export interface SessionHooks {
  /** The agent has said hello, and it is the cluster that its certificate or token proves. */
  onReady(session: Session): void;
  onClosed(session: Session): void;
}

/** A checkpoint goes to all agents that keep the same one before it: it is the same frame, and encoded once. */
const encodeCheckpoint = weakMemo((frame: CheckpointFrame) => Buffer.from(encodeFrame(frame)));

/** Reasons by which an offer can never be made. */
const REFUSALS = [OfferTooLargeError, GitObjectError];

/** An agent that says nothing after its welcome does not keep the others waiting for longer. */
const FIRST_WORD_MS = 10_000;
/** A frame that takes a thread that all share for 2 s keeps its agent away for half a minute. */
const EXPENSIVE_STRIKES = 6;

/** The open stream of one agent. */
export class Session {
  readonly cluster: string;
  /** The stream as the ledger knows it. */
  readonly stream: AgentStream;
  readonly #webSocket: WebSocket;
  readonly #socket: AgentSocket;
  readonly #budget: AgentBudget;
  readonly #admission: Admission;
  readonly #decoder: FrameDecoder;
  readonly #isTraced: boolean;
  readonly #options: DeliveryOptions;
  readonly #deps: DeliveryDeps;
  readonly #hooks: SessionHooks;
  readonly #logger: Logger;
  readonly #outbox: Outbox;
  readonly #state: SessionState;
  readonly #context: FrameContext;
  readonly #inspections = new Inspections();
  readonly #observation: AgentObservation;
  /** The ledger says that the agent observes its cluster. */
  #isObserved: boolean = true;
  /** A heartbeat that comes by itself may be a write of the ledger, however many follow each other. */
  readonly #mayNote: () => boolean;
  #hasHello: boolean = false;
  /** Resolves once the hello was answered. */
  #greeted: Promise<void> = Promise.resolve();
  /** It was greeted. */
  #isReady: boolean = false;
  /** The agent has said the first word after its welcome. */
  readonly #settled = new AbortController();
  #isAlive: boolean = true;
  /** It has not answered the last ping of its heartbeat. */
  #awaitsPong: boolean = false;
  /** It took nothing of the last offers: the next one is made once it has shown that it reads. */
  #isOnTrial: boolean = false;
  /** The agent has acked or nacked a revision on this stream. */
  #hasAnswered: boolean = false;
  #isNoting: boolean = false;
  /** The last ack is written, or cannot be. */
  #acked: Promise<void> = Promise.resolve();
  /** It was recorded that the agent has said how its cluster is now. */
  #isConfirmed: boolean = false;

  constructor(
    { cluster, budget, socket, connection, admission, resyncs, offerLimit, decoder, isTraced = false }: SessionOwner,
    options: DeliveryOptions,
    deps: DeliveryDeps,
    hooks: SessionHooks,
  ) {
    const { clock } = deps;
    const { limits } = options;
    this.cluster = cluster;
    this.#webSocket = socket;
    this.#socket = new AgentSocket(socket, clock);
    this.stream = { id: randomUUID(), isOpen: () => this.#socket.isOpen };
    this.#budget = budget;
    this.#admission = admission;
    this.#decoder = decoder;
    this.#isTraced = isTraced;
    this.#options = options;
    this.#deps = deps;
    this.#hooks = hooks;
    this.#logger = deps.logger.child({ cluster });
    this.#mayNote = createBucket(clock, { burst: 2, perSecond: 2_000 / limits.heartbeatMs });
    this.#observation = new AgentObservation(limits.ages, clock);
    this.#state = createSessionState(clock);
    const send = (frame: HubFrame): void => this.#send(frame);
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
      onOffered: ({ revision, objects }) => this.#noteOffer(revision, objects),
    });
    this.#listen();
    waitPatiently(clock, limits.helloMs, this.#socket.closed).then(
      () => {
        if (!this.#hasHello) this.close(CLOSE_CODES.badFrame, 'no hello in time');
      },
      () => undefined,
    );
  }

  /** Brings the agent to a revision, unless it is on its way there. A failed offer closes the stream. */
  offer(revision: string): void {
    const { commits } = this.#state;
    if (commits.target === revision) return;
    commits.target = revision;
    this.#outbox.dropWaiting();
    if (!this.#isOnTrial) this.#offerTarget();
  }

  #offerTarget(): void {
    const { target, heading } = this.#state.commits;
    // Not what it enforces: an agent that still works on another one must be called back from it.
    if (target !== null && target !== heading) this.#outbox.whenFree(() => this.#beginOffer(target));
  }

  /** The agent has answered a ping that it got after its welcome. */
  #endTrial(): void {
    if (!this.#isOnTrial) return;
    this.#isOnTrial = false;
    this.#offerTarget();
  }

  #beginOffer(revision: string): void {
    this.#deps.traces?.offer(this.cluster, revision);
    this.#makeOffer(revision).catch((err: unknown) => {
      if (err === this.#socket.closed.reason) return;
      // After a reconnect it would be the same.
      if (REFUSALS.some((refusal) => err instanceof refusal)) {
        this.#refuseFor(revision, messageOf(err));
        return;
      }
      this.#logger.error({ err, revision }, 'offer failed');
      // The agent comes back and gets the offer again.
      this.close(1011, 'the offer cannot be made');
    });
  }

  /** Refuses a revision in the place of an agent that could not take it, which stays connected and keeps what it has. */
  #refuseFor(revision: string, message: string): void {
    allowAnswer(this.#state.commits, revision, 'named');
    const nack = { type: 'nack', revision, reasons: [{ message }] } as const;
    this.#deps.traces?.answered(this.cluster, revision, nack.reasons);
    this.#takeNack({ ...nack, reasons: [...nack.reasons] }).catch((err: unknown) => this.#noteWriteFailure(err));
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Asks the agent for the full report of a policy, by key. */
  async inspect(policy: string): Promise<Told> {
    const until = { clock: this.#deps.clock, signal: this.#socket.closed };
    return this.#isReady && this.stream.isOpen() ? this.#inspections.ask(policy, this.#context.send, until) : undefined;
  }

  /** Sends the newest checkpoint of the audit log, if the agent does not have it. @returns how many bytes went out; never rejects */
  async sendCheckpoint(): Promise<number> {
    // An offer to a slow agent may take longer than many checkpoints.
    if (!this.#isReady || !this.stream.isOpen() || this.#outbox.isBusy) return 0;
    let sent = 0;
    const send = (frame: CheckpointFrame): boolean => {
      const bytes = encodeCheckpoint(frame);
      this.#outbox.send(bytes);
      sent += bytes.byteLength;
      // The rest of a long way follows in the next turns.
      return !this.#outbox.isBusy;
    };
    await sendCheckpoints(this.#state.checkpoints, this.#deps, send).catch((err: unknown) =>
      this.#logger.warn({ err }, 'checkpoint not sent'),
    );
    return sent;
  }

  /** Asks for a sign of life. An agent that has not answered the ping before is cut off. */
  ping(): void {
    if (!this.#isReady) return;
    this.#tellDropped();
    if (this.#socket.isBusy) {
      // A database that is away can hold a frame up for long: that silence is the hub's own, on both sides. The pong that answers no ping
      // (RFC 6455, 5.5.3) stands for those that the agent waits for.
      this.#webSocket.ping();
      this.#webSocket.pong();
      return;
    }
    if (!this.#isAlive) {
      this.#logger.warn('agent does not answer');
      if (this.#webSocket.bufferedAmount > 0 || this.#isOnTrial) this.#noteStall();
      this.#webSocket.terminate();
      return;
    }
    this.#isAlive = false;
    this.#awaitsPong = true;
    this.#webSocket.ping();
  }

  /** The agent is to be cut off because it takes nothing of what it is sent. */
  #noteStall(): void {
    if (this.stream.isOpen()) this.#budget.stalls.add();
  }

  /** An agent whose events were dropped may have nothing more to report for long. */
  #tellDropped(): void {
    const dropped = this.#budget.takeDropped();
    if (dropped !== undefined) this.#deps.ledger.addEvent(this.cluster, dropped).catch((err: unknown) => this.#noteWriteFailure(err));
  }

  /** Forgets the ages that the agent has said, and asks for them. @returns whether it has said any */
  askAges(): boolean {
    if (this.#isReady && this.stream.isOpen()) this.#webSocket.ping();
    return this.#observation.forget();
  }

  /** Writes where an age has become too much by itself, or what a pong said could not be written at once. */
  lookAtAges(): void {
    if (!this.#isReady) return;
    const outOfDate = this.#observation.outOfDate();
    // At once and without a write, which may wait for a database that is away.
    if (outOfDate !== undefined && outOfDate.length > 0) this.#deps.ledger.suspendObservation([this.cluster]);
    // While frames are under way the socket is not read: that silence is the hub's own.
    if (this.#isNoting || this.#socket.isBusy) return;
    if (outOfDate === undefined || (outOfDate.length === 0) === this.#isObserved || !this.#mayNote()) return;
    this.#noteAlone(() => this.#noteObserved()).catch((err) => this.#noteWriteFailure(err));
  }

  async #noteObserved(): Promise<void> {
    const outOfDate = this.#observation.outOfDate();
    if (outOfDate === undefined || !this.stream.isOpen()) return;
    await this.#deps.ledger.noteObserved(this.cluster, outOfDate, this.stream);
    this.#isObserved = outOfDate.length === 0;
  }

  async #noteSeen(): Promise<void> {
    await this.#deps.ledger.noteSeen(this.cluster, this.stream);
    await this.#noteObserved();
  }

  async #openStream({ revision }: Hello): Promise<void> {
    const outOfDate = this.#observation.outOfDate() ?? [];
    await this.#deps.ledger.openStream(this.cluster, this.stream, { outOfDate, isNew: revision === null });
    this.#isObserved = outOfDate.length === 0;
  }

  #listen(): void {
    const socket = this.#webSocket;
    socket.on('message', (data, binary) => {
      this.#isAlive = true;
      // Always one buffer: the type of binary messages is the default one.
      this.#enqueue((data as Buffer).byteLength, () => this.#receive(data as Buffer, binary));
    });
    socket.on('pong', (data) => {
      this.#isAlive = true;
      // The first pongs of an agent are no proof: one comes unasked, one may answer what came with the welcome.
      if (this.#awaitsPong) this.#endTrial();
      this.#awaitsPong = false;
      if (this.#observation.hear(data) && this.#observation.outOfDate()?.length === 0) this.#deps.ledger.resumeObservation([this.cluster]);
      // Only an agent that has said hello is connected: nothing would take the word back when this stream ends.
      if (this.#isReady && this.stream.isOpen() && this.#mayNote())
        this.#noteAlone(() => this.#noteSeen()).catch((err) => this.#noteWriteFailure(err));
      this.#enqueue(0, async () => undefined);
    });
    socket.on('ping', () => {
      // On a slow link it comes long before the answer to a ping of the hub, which stands behind a part of an offer.
      this.#isAlive = true;
      this.#enqueue(0, async () => undefined);
      // The hub answers each, also where the agent does not read the answers.
      if (socket.bufferedAmount <= this.#options.limits.maxBufferedBytes) return;
      this.#noteStall();
      socket.terminate();
    });
    socket.on('error', (err) => {
      logLimited(this.#context, 'warn', { err }, 'stream failed');
      if (isProtocolError(err)) this.#budget.strikes.add();
    });
    socket.on('close', (code, reason) => {
      if (this.#isReady) this.#logger.info({ code, reason: String(reason) }, 'agent disconnected');
      this.#hooks.onClosed(this);
    });
  }

  #enqueue(bytes: number, work: () => Promise<void>): void {
    const paced = async (): Promise<void> => {
      const waitMs = this.#budget.frame(bytes);
      // A hello is not held back: the number of connections is bounded already.
      await this.#socket.pace(this.#isReady ? waitMs : 0);
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

  /** @returns whether the agent has another stream, at whichever hub; then this one ends */
  #endIfReplaced(err: unknown): boolean {
    if (!(err instanceof StreamReplacedError)) return false;
    this.close(CLOSE_CODES.replaced, err.message);
    return true;
  }

  #noteWriteFailure(err: unknown): void {
    if (!this.#endIfReplaced(err)) this.#logger.error({ err }, 'ledger write failed');
  }

  async #receive(data: Buffer, binary: boolean): Promise<void> {
    if (!this.stream.isOpen()) return;
    if (binary) return this.#refuseFrame('frames are text');
    const { decoded, cpuMs, isTooExpensive = false } = await this.#decoder.decode(data, this.#socket.closed);
    this.#budget.spendCpu(cpuMs);
    if (!decoded.ok) return this.#refuseFrame(decoded.error, isTooExpensive ? EXPENSIVE_STRIKES : 1);
    noteMended(decoded, this.#context);
    return this.#take(decoded.frame);
  }

  /** A frame that cannot be read costs the hub as much as one that can, so the agent does not come back with the next one at once. */
  #refuseFrame(reason: string, strikes = 1): void {
    logLimited(this.#context, 'warn', { reason }, 'bad frame');
    this.#budget.strikes.add(strikes);
    this.close(CLOSE_CODES.badFrame, reason);
  }

  async #take(frame: AgentFrame): Promise<void> {
    if ((frame.type === 'hello') === this.#hasHello) {
      this.close(CLOSE_CODES.badFrame, this.#hasHello ? 'a second hello' : 'the first frame must be a hello');
      return;
    }
    if (frame.type === 'hello') {
      this.#hasHello = true;
      // Not waited for: an agent that waits for its turn is still heard, when it gives up as well.
      this.#greeted = this.#greet(frame);
      this.#greeted.catch((err: unknown) => this.#fail(err));
      return;
    }
    await this.#greeted;
    if (this.stream.isOpen()) await this.#takeWord(frame);
  }

  async #takeWord(frame: Exclude<AgentFrame, Hello>): Promise<void> {
    switch (frame.type) {
      case 'ack':
        this.#hasAnswered = true;
        this.#deps.traces?.answered(this.cluster, frame.revision);
        return this.#takeAck(frame);
      case 'nack':
        this.#hasAnswered = true;
        this.#deps.traces?.answered(this.cluster, frame.revision, frame.reasons);
        return this.#takeNack(frame);
      case 'report':
        await takeReport(frame, this.#context);
        break;
      case 'digest':
        await takeDigest(frame, this.#context);
        break;
      case 'inspected':
        return this.#inspections.take(frame);
      case 'listed':
        return takeListed(frame, this.#context);
    }
    // One that is to report everything has not said how it is now. It has a turn of its own for that, and its place here is for the next one.
    if (!isIncomplete(this.#context)) await this.#noteConfirmed(frame);
    if (!this.#settled.signal.aborted) this.#settled.abort(OVER);
  }

  /** Nothing answers an ack, so the report that follows does not wait until it is written, and goes into the same transaction. */
  async #takeAck(frame: Extract<AgentFrame, { type: 'ack' }>): Promise<void> {
    await this.#acked;
    if (!this.stream.isOpen()) return;
    this.#acked = takeAck(frame, this.#context).catch((err: unknown) => this.#fail(err));
    // While nothing can be written, no agent has more than one write waiting.
    if (!this.#deps.ledger.health().ok) await this.#acked;
  }

  /** Whether a refusal is news is seen in the ledger, which must know the ack before it. */
  async #takeNack(frame: Extract<AgentFrame, { type: 'nack' }>): Promise<void> {
    await this.#acked;
    return takeNack(frame, this.#context);
  }

  /**
   * The agent says how it is now by a report with which the hub has all that it reports, or by a digest that is not its first word: that one
   * says how it was when the stream before this one ended. What cannot be written is said again a minute later.
   */
  async #noteConfirmed(frame: Exclude<AgentFrame, Hello>): Promise<void> {
    if (this.#isConfirmed) return;
    const isCurrent = frame.type === 'report' ? !isDiverged(await this.#deps.ledger.cluster(this.cluster)) : this.#settled.signal.aborted;
    if (!isCurrent || !this.stream.isOpen()) return;
    this.#isConfirmed = true;
    this.#deps.ledger.confirmStream(this.cluster, this.stream).catch((err: unknown) => {
      this.#isConfirmed = false;
      this.#noteWriteFailure(err);
    });
  }

  async #greet(hello: Hello): Promise<void> {
    const refused = refuseHello(hello, this.cluster);
    if (refused !== undefined) {
      logLimited(this.#context, 'warn', { reason: refused.reason }, 'hello refused');
      this.close(refused.code, refused.reason);
      return;
    }
    // Each return of an agent that takes nothing costs a handshake.
    this.#isOnTrial = this.#budget.stalls.isOwed;
    await this.#socket.pace(this.#budget.stalls.leftMs());
    await this.#waitForTurn();
    const reported = reportedStateOf(await this.#deps.ledger.cluster(this.cluster), hello.revision === null);
    if (!this.stream.isOpen()) return;
    const { commits, checkpoints } = this.#state;
    this.#isReady = true;
    commits.holds = hello.holds;
    commits.anchor = hello.anchor;
    commits.revision = hello.revision;
    commits.heading = hello.revision;
    checkpoints.kept = findWitness(hello, this.#deps)?.sequence ?? null;
    if (hello.revision !== null) allowAnswer(commits, hello.revision, 'named');
    const time = this.#deps.clock.now().toISOString();
    this.#send({ type: 'welcome', protocol: PROTOCOL_VERSION, hubVersion: this.#options.version, time, reported });
    // Its pong says ages that are of now.
    this.#webSocket.ping();
    this.#hooks.onReady(this);
    const target = this.#deps.targets.targetOf(this.cluster);
    if (target !== null) this.offer(target);
    // Not waited for: with the database away the hub greets and serves the agent all the same.
    this.#noteHello(hello).catch((err: unknown) => this.#noteWriteFailure(err));
    void this.sendCheckpoint();
    this.#logger.info({ revision: hello.revision, agentVersion: hello.agentVersion }, 'agent connected');
  }

  async #waitForTurn(): Promise<void> {
    const leave = await this.#admission.enter(this.#socket.closed);
    const settled = AbortSignal.any([this.#settled.signal, this.#socket.closed]);
    void this.#deps.clock.sleep(FIRST_WORD_MS, settled).then(leave, leave);
  }

  async #noteHello(hello: Hello): Promise<void> {
    await this.#noteAlone(() => this.#openStream(hello));
    await keepRevision(hello, this.#context, () => this.#hasAnswered);
    await keepWitness(hello, this.#context);
  }

  /** One at a time: heartbeats must not pile up behind a database that is away. */
  async #noteAlone(write: () => Promise<void>): Promise<void> {
    if (this.#isNoting) return;
    this.#isNoting = true;
    await write().finally(() => {
      this.#isNoting = false;
    });
  }

  async #makeOffer(revision: string): Promise<void> {
    const { commits } = this.#state;
    const history = { cluster: this.cluster, holds: commits.holds, anchor: commits.anchor };
    const waitMs = this.#budget.claim(history);
    await this.#socket.pace(waitMs ?? 0);
    const offer = await this.#deps.offers.get(history, revision, waitMs !== undefined);
    const traceparent = this.#isTraced ? this.#deps.traces?.traceparentOf(this.cluster, revision) : undefined;
    // A newer revision that came meanwhile makes its own offer.
    if (commits.target === revision) this.#outbox.offer(traceparent === undefined ? offer : withTraceparent(offer, traceparent));
  }

  #noteOffer(revision: string, objects: number): void {
    const { commits } = this.#state;
    allowAnswer(commits, revision, 'offered');
    commits.heading = revision;
    this.#deps.metrics.offered();
    this.#deps.traces?.sent(this.cluster, revision, objects);
    this.#deps.ledger.setOffered(this.cluster, revision, this.stream).catch((err: unknown) => this.#noteWriteFailure(err));
    this.#logger.debug({ revision, objects }, 'revision offered');
  }

  #send(frame: HubFrame): void {
    this.#outbox.send(encodeFrame(frame));
  }
}
