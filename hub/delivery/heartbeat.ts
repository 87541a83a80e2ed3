import { type Allowance, createAllowance } from '@fso/shared/runtime';
import type WebSocket from 'ws';
import type { FrameContext } from './frame-handlers.ts';
import type { Hello } from './hello.ts';
import { AgentObservation } from './observation.ts';
import type { AgentSocket } from './sockets/agent-socket.ts';
import type { DeliveryLimits } from './types.ts';

/** Connection that a heartbeat keeps alive, and its times. */
export interface HeartbeatOptions {
  readonly webSocket: WebSocket;
  readonly socket: AgentSocket;
  readonly limits: Pick<DeliveryLimits, 'ages' | 'heartbeatMs'>;
  /** Called with the error of a failed ledger write. */
  readonly onWriteFailure: (err: unknown) => void;
}

/**
 * Exchanges pings and pongs with an agent, and records in the ledger whether the agent is alive and
 * observes its cluster.
 */
export class Heartbeat {
  readonly #context: FrameContext;
  readonly #options: HeartbeatOptions;
  readonly #observation: AgentObservation;
  /**
   * Limits the ledger writes that pongs cause, as an agent may send any number of them unasked.
   */
  readonly #writes: Allowance;
  /** Whether the agent has sent something since the last ping. */
  #isAlive: boolean = true;
  /** Whether the last ping of {@link beat} is not answered. */
  #awaitsPong: boolean = false;
  /** Whether the agent observes its cluster, according to the ledger. */
  #isObserved: boolean = true;
  #isWriting: boolean = false;

  constructor(context: FrameContext, options: HeartbeatOptions) {
    const { clock } = context.deps;
    const { ages, heartbeatMs } = options.limits;
    this.#context = context;
    this.#options = options;
    this.#observation = new AgentObservation(ages, clock);
    this.#writes = createAllowance(clock, { burst: 2, perSecond: 2_000 / heartbeatMs });
  }

  /** Pings the agent. @returns whether it has sent something since the last ping */
  beat(): boolean {
    this.#noteDropped();
    const { webSocket, socket } = this.#options;
    if (socket.isBusy) {
      // A frame may wait long for an unavailable database, and the hub then neither reads nor
      // answers pings. An unsolicited pong (RFC 6455, 5.5.3) replaces those that the agent expects.
      webSocket.ping();
      webSocket.pong();
      return true;
    }
    if (!this.#isAlive) return false;
    this.#isAlive = false;
    this.#awaitsPong = true;
    webSocket.ping();
    return true;
  }

  /** Notes that the agent has sent something, which shows that it is alive. */
  noteAlive(): void {
    this.#isAlive = true;
  }

  /** Takes the payload of a pong. @returns whether it answers a ping of {@link beat} */
  takePong(payload: Buffer): boolean {
    const { cluster, deps } = this.#context;
    const isAnswer = this.#awaitsPong;
    this.#isAlive = true;
    this.#awaitsPong = false;
    if (this.#observation.hear(payload) && this.#observation.outOfDate()?.length === 0) deps.ledger.resumeObservation([cluster]);
    return isAnswer;
  }

  /** Forgets the ages of the agent. @returns whether there were any */
  forgetAges(): boolean {
    return this.#observation.forget();
  }

  /** Writes that the agent was seen, and what it observes, unless that was written just now. */
  noteSeen(): void {
    if (!this.#context.stream.isOpen() || this.#writes.take(1) === 0) return;
    this.#write(async () => {
      await this.#context.deps.ledger.noteSeen(this.#context.cluster, this.#context.stream);
      await this.#noteObserved();
    });
  }

  /**
   * Records ages that have grown too high since, or that could not be written when their pong came.
   */
  noteAges(): void {
    const { cluster, deps } = this.#context;
    const outOfDate = this.#observation.outOfDate();
    // At once and in memory, as a write may wait for an unavailable database.
    if (outOfDate !== undefined && outOfDate.length > 0) deps.ledger.suspendObservation([cluster]);
    // While frames are handled, the socket is not read, so that the ages are old by the hub's
    // doing.
    if (this.#isWriting || this.#options.socket.isBusy) return;
    if (outOfDate === undefined || (outOfDate.length === 0) === this.#isObserved || this.#writes.take(1) === 0) return;
    this.#write(() => this.#noteObserved());
  }

  /** Writes that the stream of an agent is open. @throws what the ledger throws */
  async openStream({ revision }: Hello): Promise<void> {
    const { cluster, stream, deps } = this.#context;
    await this.#runAlone(async () => {
      const outOfDate = this.#observation.outOfDate() ?? [];
      await deps.ledger.openStream(cluster, stream, { outOfDate, isNew: revision === null });
      this.#isObserved = outOfDate.length === 0;
    });
  }

  async #noteObserved(): Promise<void> {
    const { cluster, stream, deps } = this.#context;
    const outOfDate = this.#observation.outOfDate();
    if (outOfDate === undefined || !stream.isOpen()) return;
    await deps.ledger.noteObserved(cluster, outOfDate, stream);
    this.#isObserved = outOfDate.length === 0;
  }

  /** Writes how many events were dropped, as no report may follow that does so. */
  #noteDropped(): void {
    const { cluster, budget, deps } = this.#context;
    const dropped = budget.takeDropped();
    if (dropped !== undefined) deps.ledger.addEvent(cluster, dropped).catch(this.#options.onWriteFailure);
  }

  #write(work: () => Promise<void>): void {
    this.#runAlone(work).catch((err: unknown) => this.#options.onWriteFailure(err));
  }

  /**
   * Runs a write, unless one is under way: heartbeats must not pile up behind an unavailable
   * database.
   */
  async #runAlone(work: () => Promise<void>): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    await work().finally(() => {
      this.#isWriting = false;
    });
  }
}
