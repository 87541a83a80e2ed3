import type { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { type Clock, ConnectionLimiter, type ConnectionLimits, waitPatiently } from '@fso/shared/runtime';

/** Bounds of connections that wait for their handshake. */
export interface QueueLimits {
  /** Most connections that wait for their handshake, of all holders. */
  readonly maxWaiting: number;
  /** Milliseconds after which one of them is closed. */
  readonly waitMs: number;
  /**
   * Handshakes of one holder under way that are younger than a second: with more, each would only
   * take longer.
   */
  readonly maxYoung: number;
}

/** A connection of which nothing is read yet. */
interface Waiting {
  readonly socket: Socket;
  /** Monotonic, ms. */
  readonly since: number;
  /** Begins the handshake. */
  readonly start: () => void;
}

/** Time between two checks whether handshakes are old enough to make room, in milliseconds. */
const CHECK_MS = 250;
/** Age up to which a handshake counts as young, in milliseconds. */
const YOUNG_MS = 1_000;
const NEVER = new AbortController().signal;

/**
 * Starts handshakes as fast as others end, so that agents that come at once, also behind one
 * address, are not refused. A connection for which a {@link ConnectionLimiter} has no room waits
 * unread: it costs a socket, and the network keeps what it has sent.
 *
 * The next connection is of the holder with the fewest handshakes under way. An honest holder has
 * few, as its handshakes end, regardless of how many of its agents wait. A holder that opens silent
 * connections has many, and delays no other holder.
 */
export class HandshakeQueue {
  readonly #limits: QueueLimits;
  readonly #holderOf: ConnectionLimits['holderOf'];
  readonly #clock: Clock;
  readonly #limiter: ConnectionLimiter;
  /** Waiting connections by holder, oldest first. The holder that was served last is at the end. */
  readonly #lines = new Map<string, Waiting[]>();
  #waiting = 0;
  #isStarting: boolean = false;
  #isChecking: boolean = false;

  constructor(unproven: ConnectionLimits, limits: QueueLimits, clock: Clock) {
    this.#limits = limits;
    this.#holderOf = unproven.holderOf;
    this.#clock = clock;
    this.#limiter = new ConnectionLimiter(unproven, clock, () => this.#startSome());
  }

  /** Number of connections that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Takes the connections of a server from now on. Without TLS there is no handshake to wait for,
   * and what is above the limits is closed.
   *
   * @param server with TLS, it accepts connections with `pauseOnConnect`
   */
  watch(server: HttpServer | HttpsServer): void {
    if (!(server instanceof HttpsServer)) {
      this.#limiter.watch(server);
      return;
    }
    const listeners = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      const start = (): void => {
        for (const listener of listeners) listener.call(server, socket);
      };
      this.#take({ socket, since: this.#clock.monotonicMs(), start });
    });
  }

  /**
   * Stops counting a connection, as its client has proven its identity.
   *
   * @param socket TCP socket of the connection, or its TLS socket
   */
  release(socket: Socket): void {
    this.#limiter.release(socket);
  }

  #take(connection: Waiting): void {
    const { remoteAddress } = connection.socket;
    // Without an address it is closed already.
    if (remoteAddress === undefined) return;
    const holder = this.#holderOf(remoteAddress);
    const line = this.#lines.get(holder) ?? [];
    line.push(connection);
    this.#lines.set(holder, line);
    this.#waiting += 1;
    // With others in line and no room, checking every line for each arrival would cost the hub more
    // than the connections do.
    if (this.#waiting === 1 || !this.#limiter.isFull) this.#startSome();
    if (this.#waiting > this.#limits.maxWaiting) this.#closeNewest([holder, line]);
    if (this.#waiting > 0 && !this.#isChecking) void this.#check();
  }

  /** Closes the newest connection of the longest line. @param own preferred among the longest */
  #closeNewest(own: readonly [string, Waiting[]]): void {
    let longest = own;
    for (const entry of this.#lines) if (entry[1].length > longest[1].length) longest = entry;
    const [holder, line] = longest;
    this.#leave(holder, line, line.pop());
  }

  #startSome(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      while (this.#startNext());
    } finally {
      this.#isStarting = false;
    }
  }

  /** Starts the next handshake. @returns whether a connection has left the queue */
  #startNext(): boolean {
    let fewest: { readonly holder: string; readonly unproven: number } | undefined;
    for (const holder of this.#lines.keys()) {
      const unproven = this.#limiter.unprovenOf(holder);
      if (fewest === undefined || unproven < fewest.unproven) fewest = { holder, unproven };
    }
    if (fewest === undefined) return false;
    if (this.#startFirst(fewest.holder)) return true;
    // This holder has many under way and the others no fewer, so there are few holders to try.
    return !this.#limiter.isFull && [...this.#lines.keys()].some((holder) => this.#startFirst(holder));
  }

  #startFirst(holder: string): boolean {
    const line = this.#lines.get(holder);
    const first = line?.[0];
    if (line === undefined || first === undefined) return false;
    const isGone = first.socket.destroyed;
    if (!isGone && !this.#mayStart(holder, first.socket)) return false;
    line.shift();
    this.#waiting -= 1;
    this.#lines.delete(holder);
    if (line.length > 0) this.#lines.set(holder, line);
    if (!isGone) first.start();
    return true;
  }

  #mayStart(holder: string, socket: Socket): boolean {
    return this.#limiter.youngOf(holder, YOUNG_MS) < this.#limits.maxYoung && this.#limiter.add(socket);
  }

  async #check(): Promise<void> {
    this.#isChecking = true;
    while (this.#waiting > 0) {
      await waitPatiently(this.#clock, CHECK_MS, NEVER);
      this.#startSome();
      this.#closeOld();
    }
    this.#isChecking = false;
  }

  #closeOld(): void {
    const before = this.#clock.monotonicMs() - this.#limits.waitMs;
    for (const [holder, line] of this.#lines) {
      for (let [first] = line; first !== undefined && (first.since <= before || first.socket.destroyed); [first] = line)
        this.#leave(holder, line, line.shift());
    }
  }

  /** Closes a connection. @param left has been taken out of the line */
  #leave(holder: string, line: readonly Waiting[], left: Waiting | undefined): void {
    this.#waiting -= 1;
    if (line.length === 0) this.#lines.delete(holder);
    left?.socket.destroy();
  }
}
