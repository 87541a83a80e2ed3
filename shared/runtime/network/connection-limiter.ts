import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { subnetOf } from '../rate-limit.ts';

export interface ConnectionLimits {
  /** Connections of one subnet that have not proven who they are, at a time; see {@link subnetOf}. */
  readonly perSubnet: number;
  /** The same of all subnets. */
  readonly total: number;
  /** Milliseconds that a connection has before another one may take its place. */
  readonly graceMs: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { perSubnet: 256, total: 1024, graceMs: 5_000 };

/** A connection that has not proven who it is. */
interface Unproven {
  readonly key: string;
  readonly socket: Socket;
  /** Monotonic, ms. */
  readonly since: number;
}

/** By {@link connectionKey}, oldest first. */
type Subnet = Map<string, Unproven>;

/** Names a connection of a listener. TLS puts a socket of its own over that of the connection; both have these addresses. */
const connectionKey = ({ remoteAddress, remotePort, localAddress }: Socket): string => `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * Bounds the connections of a server that have not proven who they are, by subnet and in all: each costs memory, and anyone can open them.
 * Those that have are not counted, so a fleet behind one address is bounded only in how many of its agents connect at the same moment.
 *
 * Where a bound is reached, a new connection takes the place of the oldest one that has had its grace: an honest client needs less, a silent
 * one does not keep others out. Where all are younger the new one is closed, which costs less than a handshake that is cut short. Subnets
 * with fewer connections than others keep theirs.
 */
export class ConnectionLimiter {
  readonly #limits: ConnectionLimits;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #subnets = new Map<string, Subnet>();
  #total = 0;

  constructor(limits: ConnectionLimits, clock: Pick<Clock, 'monotonicMs'>) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Connections that have not proven who they are. */
  get unproven(): number {
    return this.#total;
  }

  /** Counts the connections that a server accepts from now on. */
  watch(server: Server | TlsServer): void {
    // Of a TLS server as well this is the socket of the connection, before the handshake.
    server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** The connection has proven who it is. @param socket that of the connection, or the one that TLS has put over it */
  release(socket: Socket): void {
    this.#remove(subnetOf(socket.remoteAddress ?? ''), connectionKey(socket));
  }

  #add(socket: Socket): void {
    // Without an address it is closed already.
    if (socket.remoteAddress === undefined) return;
    const name = subnetOf(socket.remoteAddress);
    if (!this.#makeRoom(name)) {
      socket.destroy();
      return;
    }
    const key = connectionKey(socket);
    const subnet: Subnet = this.#subnets.get(name) ?? new Map();
    this.#subnets.set(name, subnet.set(key, { key, socket, since: this.#clock.monotonicMs() }));
    this.#total += 1;
    socket.once('close', () => this.#remove(name, key));
  }

  /** @returns whether one more connection of a subnet may stay */
  #makeRoom(name: string): boolean {
    const own = this.#subnets.get(name)?.size ?? 0;
    if (own >= this.#limits.perSubnet) return this.#closeOldest(name, this.#limits.graceMs);
    if (this.#total < this.#limits.total) return true;
    const largest = this.#largest();
    // One that has more than its share gives way at once.
    return largest.size > own ? this.#closeOldest(largest.name, 0) : this.#closeOldest(name, this.#limits.graceMs);
  }

  /** @returns whether there was one that is old enough */
  #closeOldest(name: string, graceMs: number): boolean {
    const oldest = this.#subnets.get(name)?.values().next().value;
    if (oldest === undefined || this.#clock.monotonicMs() - oldest.since < graceMs) return false;
    this.#remove(name, oldest.key);
    oldest.socket.destroy();
    return true;
  }

  #largest(): { readonly name: string; readonly size: number } {
    let largest = { name: '', size: 0 };
    for (const [name, { size }] of this.#subnets) if (size > largest.size) largest = { name, size };
    return largest;
  }

  #remove(name: string, key: string): void {
    const subnet = this.#subnets.get(name);
    if (subnet?.delete(key) !== true) return;
    this.#total -= 1;
    if (subnet.size === 0) this.#subnets.delete(name);
  }
}
