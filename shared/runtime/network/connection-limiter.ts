import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { networkOf, subnetOf } from '../rate-limit.ts';

/** Bounds on connections to a listener, per holder and in total. */
export interface ConnectionLimits {
  /** Most concurrent unauthenticated connections of one holder, which is a subnet or an address. */
  readonly perHolder: number;
  /** Most concurrent unauthenticated connections of all holders. */
  readonly total: number;
  /**
   * Time in ms for which a connection keeps its place before a new one may take it. With 0 a new
   * connection is never refused.
   */
  readonly graceMs: number;
  /** Returns the holder of an address, e.g. {@link subnetOf} or {@link networkOf}. */
  readonly holderOf: (address: string) => string;
}

/**
 * Limits for clients that authenticate by a handshake. A handshake takes time, so new connections
 * do not interrupt it.
 */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { perHolder: 256, total: 1024, graceMs: 5_000, holderOf: subnetOf };
/**
 * Limits for clients that authenticate with their first request, or need not. A probe of Kubernetes
 * always gets in, whatever else comes from the subnet of its node.
 */
export const API_CONNECTION_LIMITS: ConnectionLimits = { perHolder: 256, total: 1024, graceMs: 0, holderOf: networkOf };

/**
 * Factor above the mean from which on a holder exceeds its share, and the number of connections
 * that it may have in any case.
 */
const SHARE = { factor: 4, least: 16 };

/** Unauthenticated connection. */
interface Unproven {
  readonly key: string;
  readonly socket: Socket;
  /** Monotonic time of the connection, in ms. */
  readonly since: number;
  readonly onClose: () => void;
}

/** Connections by {@link connectionKey}, oldest first. */
type Holding = Map<string, Unproven>;

interface Holder {
  readonly name: string;
  readonly size: number;
  /** Monotonic time of its oldest connection, in ms. */
  readonly since: number;
}

/**
 * Identifies a connection of a listener. The socket of TLS and the one below it have the same
 * addresses.
 */
const connectionKey = ({ remoteAddress, remotePort, localAddress }: Socket): string => `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * Bounds the unauthenticated connections of a server, per holder and in total: each costs memory,
 * and anyone can open them. Authenticated ones are not counted, so a fleet behind one address is
 * bounded only in the number of agents that connect at the same time.
 *
 * At a bound, a new connection replaces the oldest one whose grace has ended: an honest client
 * needs less time, and a silent one does not keep others out. If all are younger, there is no room
 * for the new one, because closing or delaying it costs less than an interrupted handshake. A
 * holder that exceeds its share has no grace before others.
 */
export class ConnectionLimiter {
  readonly #limits: ConnectionLimits;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #onRoom: () => void;
  readonly #holders = new Map<string, Holding>();
  #total = 0;

  /**
   * @param onRoom called when there is room for one more connection, as one has ended or
   * authenticated
   */
  constructor(limits: ConnectionLimits, clock: Pick<Clock, 'monotonicMs'>, onRoom: () => void = () => undefined) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onRoom = onRoom;
  }

  /** Number of unauthenticated connections. */
  get unproven(): number {
    return this.#total;
  }

  /** Number of unauthenticated connections of one holder. */
  unprovenOf(holder: string): number {
    return this.#holders.get(holder)?.size ?? 0;
  }

  /** Number of connections of one holder that are younger than `ms`. */
  youngOf(holder: string, ms: number): number {
    const before = this.#clock.monotonicMs() - ms;
    let young = 0;
    for (const { since } of this.#holders.get(holder)?.values() ?? []) if (since > before) young += 1;
    return young;
  }

  /** Whether the total limit is reached. */
  get isFull(): boolean {
    return this.#total >= this.#limits.total;
  }

  /** Counts the connections that a server accepts from now on, and closes those without room. */
  watch(server: Server | TlsServer): void {
    // For a TLS server too, this is the socket below TLS, before the handshake.
    server.on('connection', (socket: Socket) => {
      if (!this.add(socket)) socket.destroy();
    });
  }

  /** Counts a connection. @returns false if there is no room for it */
  add(socket: Socket): boolean {
    // Without an address it is already closed.
    if (socket.remoteAddress === undefined) return true;
    const name = this.#limits.holderOf(socket.remoteAddress);
    if (!this.#makeRoom(name)) return false;
    const key = connectionKey(socket);
    const held: Holding = this.#holders.get(name) ?? new Map();
    const onClose = (): void => this.#remove(name, key);
    this.#holders.set(name, held.set(key, { key, socket, since: this.#clock.monotonicMs(), onClose }));
    this.#total += 1;
    socket.once('close', onClose);
    return true;
  }

  /**
   * Stops counting a connection, as it has authenticated.
   *
   * @param socket socket of the connection, or the TLS socket over it
   */
  release(socket: Socket): void {
    this.#remove(this.#limits.holderOf(socket.remoteAddress ?? ''), connectionKey(socket));
  }

  /** @returns whether one more connection of a holder may stay */
  #makeRoom(name: string): boolean {
    if (this.unprovenOf(name) >= this.#limits.perHolder) return this.#closeOldest(name, this.#limits.graceMs);
    if (this.#total < this.#limits.total) return true;
    const largest = this.#first((one, other) => one.size > other.size);
    const share = Math.max(SHARE.least, (SHARE.factor * this.#total) / this.#holders.size);
    if (largest.size > share && largest.name !== name) return this.#closeOldest(largest.name, 0);
    const oldest = this.#first((one, other) => one.since < other.since);
    return this.#closeOldest(oldest.name, this.#limits.graceMs);
  }

  /** @returns whether a connection was old enough */
  #closeOldest(name: string, graceMs: number): boolean {
    const oldest = this.#holders.get(name)?.values().next().value;
    if (oldest === undefined || this.#clock.monotonicMs() - oldest.since < graceMs) return false;
    this.#forget(name, oldest.key);
    oldest.socket.destroy();
    return true;
  }

  /** @param isBefore compares two holders; `since` is the time of their oldest connection */
  #first(isBefore: (one: Holder, other: Holder) => boolean): Holder {
    let first: Holder = { name: '', size: 0, since: Number.POSITIVE_INFINITY };
    for (const [name, held] of this.#holders) {
      const [oldest] = held.values();
      const holder = { name, size: held.size, since: oldest?.since ?? Number.POSITIVE_INFINITY };
      if (isBefore(holder, first)) first = holder;
    }
    return first;
  }

  #remove(name: string, key: string): void {
    if (this.#forget(name, key)) this.#onRoom();
  }

  /** @returns whether it was counted */
  #forget(name: string, key: string): boolean {
    const held = this.#holders.get(name);
    const known = held?.get(key);
    if (held === undefined || known === undefined) return false;
    held.delete(key);
    // An authenticated connection may stay for weeks, and there are thousands of them.
    known.socket.off('close', known.onClose);
    this.#total -= 1;
    if (held.size === 0) this.#holders.delete(name);
    return true;
  }
}
