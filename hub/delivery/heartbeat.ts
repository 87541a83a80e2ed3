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
  /** Called with why the ledger did not take a write. */
  readonly onWriteFailure: (err: unknown) => void;
}

/**
 * The pings and pongs of a stream: whether its agent is alive, and observes its cluster. Records
 * both in the ledger.
 */
export class Heartbeat {
  readonly #context: FrameContext;
  readonly #options: HeartbeatOptions;
  readonly #observation: AgentObservation;
  /**
   * A heartbeat that comes by itself may be a write of the ledger, however many follow each other.
   */
  readonly #notes: Allowance;
  /** Whether the agent has sent something since the last ping. */
  #isAlive: boolean = true;
  /** Whether the last ping of {@link beat} is not answered. */
  #awaitsPong: boolean = false;
  /** Whether the agent observes its cluster, according to the ledger. */
  #isObserved: boolean = true;
  #isNoting: boolean = false;

  constructor(context: FrameContext, options: HeartbeatOptions) {
    const { clock } = context.deps;
    const { ages, heartbeatMs } = options.limits;
    this.#context = context;
    this.#options = options;
    this.#observation = new AgentObservation(ages, clock);
    this.#notes = createAllowance(clock, { burst: 2, perSecond: 2_000 / heartbeatMs });
  }

  /** Asks for a sign of life. @returns whether there was one since the last ping */
  beat(): boolean {
    this.#noteDropped();
    const { webSocket, socket } = this.#options;
    if (socket.isBusy) {
      // A database that is away can hold a frame up for long: that silence is the hub's own, on
      // both sides. The pong that answers no ping (RFC 6455, 5.5.3) stands for those that the agent
      // waits for.
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

  /** Takes anything that the agent sends for a sign of life. */
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
    if (!this.#context.stream.isOpen() || this.#notes.take(1) === 0) return;
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
    // At once and without a write, which may wait for a database that is away.
    if (outOfDate !== undefined && outOfDate.length > 0) deps.ledger.suspendObservation([cluster]);
    // While frames are under way the socket is not read: that silence is the hub's own.
    if (this.#isNoting || this.#options.socket.isBusy) return;
    if (outOfDate === undefined || (outOfDate.length === 0) === this.#isObserved || this.#notes.take(1) === 0) return;
    this.#write(() => this.#noteObserved());
  }

  /** Writes that the stream of an agent is open. @throws what the ledger throws */
  async openStream({ revision }: Hello): Promise<void> {
    const { cluster, stream, deps } = this.#context;
    await this.#alone(async () => {
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

  /** Writes that events were dropped, as such an agent may have nothing more to report for long. */
  #noteDropped(): void {
    const { cluster, budget, deps } = this.#context;
    const dropped = budget.takeDropped();
    if (dropped !== undefined) deps.ledger.addEvent(cluster, dropped).catch(this.#options.onWriteFailure);
  }

  #write(work: () => Promise<void>): void {
    this.#alone(work).catch((err: unknown) => this.#options.onWriteFailure(err));
  }

  /**
   * Runs one write at a time: heartbeats must not pile up behind a database that is unavailable.
   */
  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#isNoting) return;
    this.#isNoting = true;
    await work().finally(() => {
      this.#isNoting = false;
    });
  }
}
