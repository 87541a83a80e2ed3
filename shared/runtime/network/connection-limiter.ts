import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { networkOf, subnetOf } from '../rate-limit.ts';

/** Bounds of connections to a listener, by holder and in all. */
export interface ConnectionLimits {
  /**
   * Connections of one holder, which is a subnet or an address, that have not proven who they are,
   * at a time.
   */
  readonly perHolder: number;
  /** The same of all holders. */
  readonly total: number;
  /**
   * Milliseconds that a connection has before another one may take its place. With 0 a new
   * connection is never refused.
   */
  readonly graceMs: number;
  /** Names the holder of an address, such as {@link subnetOf} or {@link networkOf}. */
  readonly holderOf: (address: string) => string;
}

/**
 * Limits for clients that prove who they are by a handshake, which takes time: it is not cut short
 * by those that come after.
 */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { perHolder: 256, total: 1024, graceMs: 5_000, holderOf: subnetOf };
/**
 * Limits for clients whose first request proves who they are, at once, or needs no proof: a probe
 * of Kubernetes always gets in, whatever else comes from the subnet of its node.
 */
export const API_CONNECTION_LIMITS: ConnectionLimits = { perHolder: 256, total: 1024, graceMs: 0, holderOf: networkOf };

/**
 * Factor above the mean from which a holder has far more than its share, and the number of
 * connections that it may have in any case.
 */
const SHARE = { factor: 4, least: 16 };

/** A connection that has not proven who it is. */
interface Unproven {
  readonly key: string;
  readonly socket: Socket;
  /** Monotonic, ms. */
  readonly since: number;
  readonly onClose: () => void;
}

/** Connections by {@link connectionKey}, oldest first. */
type Holding = Map<string, Unproven>;

interface Holder {
  readonly name: string;
  readonly size: number;
  /** Time at which its oldest connection was made; monotonic, ms. */
  readonly since: number;
}

/**
 * Names a connection of a listener. TLS puts a socket of its own over that of the connection; both
 * have these addresses.
 */
const connectionKey = ({ remoteAddress, remotePort, localAddress }: Socket): string => `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * Bounds the connections of a server that have not proven who they are, by holder and in all: each
 * costs memory, and anyone can open them. Those that have are not counted, so a fleet behind one
 * address is bounded only in how many of its agents connect at the same moment.
 *
 * Where a bound is reached, a new connection takes the place of the oldest one that has had its
 * grace: an honest client needs less, a silent one does not keep others out. Where all are younger
 * there is no room for the new one: to close it or let it wait costs less than a handshake that is
 * cut short. A holder that has far more than its share has no grace before others.
 */
export class ConnectionLimiter {
  readonly #limits: ConnectionLimits;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #onRoom: () => void;
  readonly #holders = new Map<string, Holding>();
  #total = 0;

  /** @param onRoom called when there is room for one more, as one has ended or is proven */
  constructor(limits: ConnectionLimits, clock: Pick<Clock, 'monotonicMs'>, onRoom: () => void = () => undefined) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onRoom = onRoom;
  }

  /** Connections that have not proven who they are. */
  get unproven(): number {
    return this.#total;
  }

  /** Those of one holder. */
  unprovenOf(holder: string): number {
    return this.#holders.get(holder)?.size ?? 0;
  }

  /** Number of connections of one holder that are younger than a number of milliseconds. */
  youngOf(holder: string, ms: number): number {
    const before = this.#clock.monotonicMs() - ms;
    let young = 0;
    for (const { since } of this.#holders.get(holder)?.values() ?? []) if (since > before) young += 1;
    return young;
  }

  /** Whether all holders together have as many connections as they may. */
  get isFull(): boolean {
    return this.#total >= this.#limits.total;
  }

  /**
   * Counts the connections that a server accepts from now on, and closes those for which there is
   * no room.
   */
  watch(server: Server | TlsServer): void {
    // Of a TLS server as well this is the socket of the connection, before the handshake.
    server.on('connection', (socket: Socket) => {
      if (!this.add(socket)) socket.destroy();
    });
  }

  /** Counts a connection. @returns false: there is no room for it */
  add(socket: Socket): boolean {
    // Without an address it is closed already.
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
   * The connection has proven who it is. @param socket that of the connection, or the one that TLS
   * has put over it
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

  /** @returns whether there was one that is old enough */
  #closeOldest(name: string, graceMs: number): boolean {
    const oldest = this.#holders.get(name)?.values().next().value;
    if (oldest === undefined || this.#clock.monotonicMs() - oldest.since < graceMs) return false;
    this.#forget(name, oldest.key);
    oldest.socket.destroy();
    return true;
  }

  /** @param isBefore of two holders; `since` is that of the oldest connection */
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
    // A connection that is proven may stay for weeks, and there are thousands of them.
    known.socket.off('close', known.onClose);
    this.#total -= 1;
    if (held.size === 0) this.#holders.delete(name);
    return true;
  }
}
