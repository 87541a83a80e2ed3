import { CONCERNS, type Concern, type Refusals, type ServerReading } from './metrics-page.ts';
import { coveredMinutes, HOUR_MS, RecentCount } from './recent-count.ts';

/** API servers whose last reading is kept. */
const MAX_SERVERS = 16;
/** Time after the last reading from which on its counts are no longer known. */
const OLD_MS = 180_000;

export interface Reading {
  readonly server: ServerReading;
  /** The agent's own dry runs that lock 1 had refused before the reading, since its start. */
  readonly own: Refusals;
  /** Number of API servers behind the address; undefined: it is not known. */
  readonly servers: number | undefined;
  /** Monotonic. */
  readonly atMs: number;
}

/** Refusals within the last hour. */
export interface RefusalCounts extends Refusals {
  /** Refused pods of the last ten minutes. */
  readonly recent: number;
  readonly minutes: number;
  /** Reason why there may be more; undefined: these are all. */
  readonly partial: string | undefined;
}

const subtract = (a: Refusals, b: Refusals): Refusals => ({ pods: a.pods - b.pods, bindings: a.bindings - b.bindings });

/**
 * Counts what lock 1 refused within the last hour, by the counters of the API servers less the
 * agent's own dry runs. Every API server counts for itself, from its start on.
 */
export class CountedRefusals {
  readonly #counts: Readonly<Record<Concern, RecentCount>> = { pods: new RecentCount(), bindings: new RecentCount() };
  /** Last counters by the start of the server, the one read last at the end. */
  readonly #servers = new Map<number, Refusals>();
  #last: Pick<Reading, 'own' | 'servers' | 'atMs'> | undefined;
  #beganMs = 0;
  /** Time of the last restart of an API server, whose last counts nobody has read. */
  #restartedMs = Number.NEGATIVE_INFINITY;

  take(reading: Reading): void {
    const { server, own, servers, atMs } = reading;
    const before = this.#servers.get(server.startedAt);
    if (this.#last === undefined) this.#beganMs = atMs;
    else this.#count(reading, before, subtract(own, this.#last.own));
    this.#last = { own, servers, atMs };
    this.#servers.delete(server.startedAt);
    this.#servers.set(server.startedAt, server.refusals);
    for (const known of this.#servers.keys()) if (this.#servers.size > MAX_SERVERS) this.#servers.delete(known);
  }

  #count({ server: { refusals }, servers, atMs }: Reading, before: Refusals | undefined, own: Refusals): void {
    const isRestarted = before === undefined && servers === 1;
    if (isRestarted) this.#restartedMs = atMs;
    // Of another one of several servers it is not known since when it counts.
    const counted = subtract(refusals, before ?? (isRestarted ? { pods: 0, bindings: 0 } : refusals));
    for (const concern of CONCERNS) {
      const net = counted[concern] - own[concern];
      // Some of the own ones are in counts that are lost.
      this.#counts[concern].add(before === undefined ? Math.max(0, net) : net, atMs);
    }
  }

  /** @returns undefined: nothing was read for a while */
  now(nowMs: number): RefusalCounts | undefined {
    if (this.#last === undefined || nowMs - this.#last.atMs > OLD_MS) return undefined;
    const { pods, bindings } = this.#counts;
    return {
      pods: pods.lastHour(nowMs),
      bindings: bindings.lastHour(nowMs),
      recent: pods.lastTenMinutes(nowMs),
      minutes: coveredMinutes(this.#beganMs, nowMs),
      partial: this.#partial(nowMs),
    };
  }

  #partial(nowMs: number): string | undefined {
    const { servers } = this.#last ?? {};
    if (servers === undefined)
      return 'the number of API servers is not known: there may be more refusals than those of the one that answers';
    if (servers > 1)
      return `there are ${servers} API servers, and each counts only what it refused itself: the agent reads the one that answers`;
    if (nowMs - this.#restartedMs <= HOUR_MS) return 'the API server restarted within the hour: what it refused just before is not counted';
    return undefined;
  }
}
