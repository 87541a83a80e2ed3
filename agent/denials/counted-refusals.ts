import { CONCERNS, type Concern, type Refusals, type ServerReading } from './metrics-page.ts';
import { coveredMinutes, HOUR_MS, RecentCount } from './recent-count.ts';

/** Most API servers whose last reading is kept. */
const MAX_SERVERS = 16;
/** Age of a reading, in ms, from which on the time of refusals counted since then is unknown. */
const OLD_MS = 180_000;
/** Largest expected difference between the clocks of API server and agent, in ms. */
const SKEW_MS = 60_000;
/** Most own dry runs that may be missing in the first reading: more than run concurrently. */
const MAX_MISSING = 20;

/** Reading of the refusal counters of an API server. */
export interface Reading {
  readonly server: ServerReading;
  /** The agent's own dry runs that lock 1 refused between the agent's start and the reading. */
  readonly own: Refusals;
  /** Number of API servers behind the address; undefined if unknown. */
  readonly servers: number | undefined;
  /** Monotonic. */
  readonly atMs: number;
  /** Time of the reading in ms since 1970. */
  readonly nowMs: number;
}

/** Refusals within the last hour. */
export interface RefusalCounts extends Refusals {
  /** Number of pods refused within the last ten minutes. */
  readonly recent: number;
  readonly minutes: number;
  /** Reason why there may be more; undefined if the counts are complete. */
  readonly partial: string | undefined;
}

type ServerEntry = Pick<Reading, 'own' | 'atMs'> & Pick<ServerReading, 'refusals'>;

const NO_REFUSALS: Refusals = { pods: 0, bindings: 0 };

const subtract = (a: Refusals, b: Refusals): Refusals => ({ pods: a.pods - b.pods, bindings: a.bindings - b.bindings });

const newCounts = (): Readonly<Record<Concern, RecentCount>> => ({ pods: new RecentCount(), bindings: new RecentCount() });

/**
 * Counts what lock 1 refused within the last hour: the counters of the API servers minus the
 * agent's own dry runs. Every API server has its own counters, which start at zero.
 */
export class CountedRefusals {
  #counts = newCounts();
  /** Last readings by the start time of the server, newest last. */
  readonly #servers = new Map<number, ServerEntry>();
  #last: Reading | undefined;
  #beganMs = 0;
  /** Time of the last restart of an API server, whose last counts were lost. */
  #restartedMs = Number.NEGATIVE_INFINITY;
  /** Time at which another API server than before responded. */
  #severalMs = Number.NEGATIVE_INFINITY;

  take(reading: Reading): void {
    const last = this.#last;
    if (last === undefined) this.#begin(reading.atMs);
    else this.#compare(reading, last);
    this.#last = reading;
    this.#keep(reading);
  }

  #keep({ server: { startedAt, refusals }, own, atMs }: Reading): void {
    this.#servers.delete(startedAt);
    this.#servers.set(startedAt, { refusals, own, atMs });
    for (const known of this.#servers.keys()) if (this.#servers.size > MAX_SERVERS) this.#servers.delete(known);
  }

  #compare(reading: Reading, last: Reading): void {
    const { startedAt } = reading.server;
    const isRestarted = !this.#servers.has(startedAt) && startedAt * 1000 >= last.nowMs - SKEW_MS;
    if (startedAt !== last.server.startedAt && !isRestarted) this.#severalMs = reading.atMs;
    if (reading.atMs - last.atMs > OLD_MS) this.#begin(reading.atMs);
    else this.#count(reading, isRestarted ? last : undefined);
  }

  /** Starts counting from zero: refusals since the last reading may be of any time. */
  #begin(atMs: number): void {
    this.#counts = newCounts();
    this.#beganMs = atMs;
  }

  /** @param restarted last reading before the API server restarted; undefined without a restart */
  #count({ server: { startedAt, refusals }, own, servers, atMs }: Reading, restarted: Reading | undefined): void {
    let before = this.#servers.get(startedAt);
    if (restarted !== undefined && servers === 1) {
      this.#restartedMs = atMs;
      before = { refusals: NO_REFUSALS, own: restarted.own, atMs: restarted.atMs };
    }
    // The time of refusals by another of several servers is unknown.
    if (before === undefined || atMs - before.atMs > OLD_MS) return;
    const net = subtract(subtract(refusals, before.refusals), subtract(own, before.own));
    // The counts lost with a restart include some of the agent's own.
    for (const concern of CONCERNS) this.#counts[concern].add(restarted === undefined ? net[concern] : Math.max(0, net[concern]), atMs);
  }

  /** Reason why refusals cannot be counted now, if any. */
  problem(nowMs: number): string | undefined {
    if (this.#last === undefined || nowMs - this.#last.atMs > OLD_MS) return 'the metrics of the API server were not read for a while';
    const isMissing = CONCERNS.some((concern) => this.#counts[concern].missing(nowMs) > MAX_MISSING);
    return isMissing && !this.#areSeveral(nowMs)
      ? 'the metrics of the API server lack refusals of dry runs of the agent itself'
      : undefined;
  }

  /** @returns undefined if refusals cannot be counted now */
  now(nowMs: number): RefusalCounts | undefined {
    if (this.problem(nowMs) !== undefined) return undefined;
    const { pods, bindings } = this.#counts;
    // Each of several servers has counted only some of the own dry runs that are subtracted.
    const least = this.#areSeveral(nowMs) ? 0 : undefined;
    return {
      pods: pods.lastHour(nowMs, least),
      bindings: bindings.lastHour(nowMs, least),
      recent: pods.lastTenMinutes(nowMs, least),
      minutes: coveredMinutes(this.#beganMs, nowMs),
      partial: this.#partial(nowMs),
    };
  }

  /** Whether there are several API servers, possibly behind one address. */
  #areSeveral(nowMs: number): boolean {
    return (this.#last?.servers ?? 1) > 1 || nowMs - this.#severalMs <= HOUR_MS;
  }

  #partial(nowMs: number): string | undefined {
    const { servers } = this.#last ?? {};
    if (this.#areSeveral(nowMs)) {
      const number = servers === undefined || servers === 1 ? 'several' : servers;
      return `there are ${number} API servers, and each counts only what it refused itself: the agent reads the one that answers`;
    }
    if (servers === undefined)
      return 'the number of API servers is not known: there may be more refusals than those of the one that answers';
    if (nowMs - this.#restartedMs <= HOUR_MS) return 'the API server restarted within the hour: what it refused just before is not counted';
    return undefined;
  }
}
