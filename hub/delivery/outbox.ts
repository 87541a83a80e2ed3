import type { Duplex } from 'node:stream';
import { type Clock, corkForTurn } from '@fso/shared/runtime';
import type { WebSocket } from 'ws';
import type { EncodedOffer } from './offers/offers.ts';
import type { OfferLimit } from './pacing/offer-limit.ts';

/** Connection that frames go out on, and when it counts as stalled. */
export interface OutboxOptions {
  readonly clock: Clock;
  /** The connection below the WebSocket. */
  readonly connection: Duplex;
  /** Milliseconds without progress after which an offer makes the connection too slow. */
  readonly stallMs: number;
  /** Most bytes that may wait in addition to the offer in flight. */
  readonly maxBufferedBytes: number;
  /** Limit shared by all agents. */
  readonly offerLimit: OfferLimit;
  /** Called once. */
  readonly onTooSlow: () => void;
  readonly onOffered: (offer: EncodedOffer) => void;
}

/**
 * Most bytes of a large message that the socket has at a time. Progress shows when the network has
 * taken them, and pings and pongs pass between fragments. The TLS connection permanently keeps a
 * buffer of the size of its largest write: a fragment and its header fit into one TLS record.
 */
const FRAGMENT_BYTES = 16_000;
/**
 * Most fragments of one message; an agent accepts some more. The fragments of a message of 16 MiB
 * are 64 KiB each.
 */
const MAX_FRAGMENTS = 256;

const fragmentsOf = (part: Buffer, bytes: number): Buffer[] =>
  Array.from({ length: Math.ceil(part.byteLength / bytes) }, (_, at) => part.subarray(at * bytes, (at + 1) * bytes));

/**
 * Splits a message into batches of fragments, each of at most the size of one fragment, so that a
 * small message is one batch. Fragments are views of their part, whose memory agents share.
 */
const batchesOf = (parts: readonly Buffer[]): Buffer[][] => {
  const total = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const bytes = Math.max(FRAGMENT_BYTES, Math.ceil(total / MAX_FRAGMENTS));
  const batches: Buffer[][] = [];
  let room = 0;
  for (const fragment of parts.flatMap((part) => fragmentsOf(part, bytes))) {
    const batch = fragment.byteLength <= room ? batches.at(-1) : undefined;
    if (batch === undefined) batches.push([fragment]);
    else batch.push(fragment);
    room = (batch === undefined ? bytes : room) - fragment.byteLength;
  }
  return batches;
};

const bytesOf = (payload: string | Buffer): Buffer => (typeof payload === 'string' ? Buffer.from(payload) : payload);

/** A large message in flight, in fragments. */
interface Sending {
  /** Batches that the socket does not have yet. */
  readonly batches: Buffer[][];
  /** Monotonic time of its start, or at which the network last took a part of it, in ms. */
  progressAt: number;
  /** Called when the network has all of it. */
  readonly done: () => void;
}

/**
 * Bounded queue of frames to one agent. A connection that takes nothing is closed instead of
 * buffering for it, and never delays other connections. A slow one that takes a large offer bit by
 * bit stays open.
 */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #options: OutboxOptions;
  #sending: Sending | undefined;
  /**
   * Frames that wait for the end of the message in flight: no other message may come between its
   * fragments.
   */
  #held: (string | Buffer)[] = [];
  #heldBytes = 0;
  /** Whether an offer is queued at the limit that all agents share. */
  #isQueued: boolean = false;
  #waiting: EncodedOffer | undefined;
  /** Makes the offer that is to follow the message in flight. */
  #makeNext: (() => void) | undefined;
  #gaveUp: boolean = false;

  constructor(socket: WebSocket, options: OutboxOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Whether a large message is in flight, behind which other frames may have to wait. */
  get isBusy(): boolean {
    return this.#sending !== undefined;
  }

  /** Sends a frame. @param payload text, or its bytes if many agents share them */
  send(payload: string | Buffer): void {
    if (!this.#isOpen()) return;
    if (this.#sending !== undefined && this.#sending.batches.length > 0) this.#hold(payload);
    else if (this.#sending === undefined && this.#socket.bufferedAmount > this.#options.maxBufferedBytes) this.#giveUp();
    else if (this.#sending === undefined && Buffer.byteLength(payload) > FRAGMENT_BYTES) this.#begin([bytesOf(payload)], () => undefined);
    else this.#sendNow(payload);
  }

  /** Sends an offer. While one is in flight, only the newest other one waits. */
  offer(offer: EncodedOffer): void {
    if (!this.#isOpen()) return;
    this.#waiting = offer;
    this.#queueOffer();
  }

  /**
   * Calls `make` once no large message is in flight, or at once if none is. A later call replaces
   * an earlier one: most offers to a slow agent would be outdated before they can be sent.
   */
  whenFree(make: () => void): void {
    if (this.#sending === undefined) make();
    else this.#makeNext = make;
  }

  /**
   * Gives up the connection if the message in flight has made no progress for `stallMs`. To be
   * called about once a second, by a process that has read and written meanwhile.
   */
  checkProgress(): void {
    const { clock, stallMs } = this.#options;
    if (this.#sending !== undefined && clock.monotonicMs() - this.#sending.progressAt >= stallMs) this.#giveUp();
  }

  /** Drops the offer that waits, or is yet to be made, as another revision is desired now. */
  dropWaiting(): void {
    this.#waiting = undefined;
    this.#makeNext = undefined;
  }

  #sendNow(payload: string | Buffer): void {
    corkForTurn(this.#options.connection);
    this.#socket.send(payload, { binary: false });
  }

  #isOpen(): boolean {
    return !this.#gaveUp && this.#socket.readyState === this.#socket.OPEN;
  }

  #hold(payload: string | Buffer): void {
    this.#held.push(payload);
    this.#heldBytes += Buffer.byteLength(payload);
    if (this.#heldBytes > this.#options.maxBufferedBytes) this.#giveUp();
  }

  #sendHeld(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const payload of held) this.#sendNow(payload);
  }

  #giveUp(): void {
    if (this.#gaveUp) return;
    this.#gaveUp = true;
    this.dropWaiting();
    this.#options.onTooSlow();
  }

  #queueOffer(): void {
    if (this.#waiting === undefined || this.#sending !== undefined || this.#isQueued) return;
    this.#isQueued = true;
    const bytes = (): number => (this.#waiting === undefined ? 0 : this.#waiting.shared.byteLength + this.#waiting.own.byteLength);
    this.#options.offerLimit.enter(bytes, (done) => this.#startWaiting(done));
  }

  #startWaiting(done: () => void): void {
    this.#isQueued = false;
    // A large frame has begun meanwhile, and queues the offer again at its end.
    if (this.#sending !== undefined) {
      done();
      return;
    }
    const next = this.#waiting;
    this.#waiting = undefined;
    if (next === undefined || !this.#isOpen()) {
      done();
      return;
    }
    this.#begin([next.shared, next.own], done);
    this.#options.onOffered(next);
  }

  #begin(parts: readonly Buffer[], done: () => void): void {
    this.#sending = { batches: batchesOf(parts), progressAt: this.#options.clock.monotonicMs(), done };
    this.#sendSome(this.#sending);
  }

  /** Hands one batch to the socket, and the next as soon as the network has taken it. */
  #sendSome(sending: Sending): void {
    const { batches } = sending;
    const batch = batches.shift() ?? [];
    corkForTurn(this.#options.connection);
    for (const [at, fragment] of batch.entries()) {
      const isEnd = at === batch.length - 1;
      const onTaken = (error?: Error | null): void => this.#onTaken(sending, error);
      this.#socket.send(fragment, { binary: false, fin: isEnd && batches.length === 0 }, isEnd ? onTaken : undefined);
    }
    if (batches.length === 0) this.#sendHeld();
  }

  #onTaken(sending: Sending, error: Error | null | undefined): void {
    sending.progressAt = this.#options.clock.monotonicMs();
    if (error == null && sending.batches.length > 0) {
      this.#sendSome(sending);
      return;
    }
    this.#sending = undefined;
    sending.done();
    const make = this.#makeNext;
    this.#makeNext = undefined;
    if (error == null) make?.();
    this.#queueOffer();
  }
}
