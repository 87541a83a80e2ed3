import type { ClusterEvent } from '@fso/shared/api';
import { type Allowance, type BucketOptions, type Clock, createAllowance, createRateLimit, threadCpuMs } from '@fso/shared/runtime';
import type { AgentHistory } from '../offers/offers.ts';
import { type AdmittedEvents, DEFAULT_EVENT_LIMITS, EventBudget, type EventLimits } from './event-budget.ts';

/** Limits of what the agent of one cluster may ask of the hub, over all of its streams. */
export interface AgentLimits {
  readonly connections: BucketOptions;
  /** Pings count as frames. */
  readonly frames: BucketOptions;
  readonly bytes: BucketOptions;
  /** CPU time of its frames, in milliseconds: frames of the same size differ a hundredfold. */
  readonly cpu: BucketOptions;
  readonly events: EventLimits;
  /** Offers on top of a commit that the hub has not seen the agent take. */
  readonly claims: BucketOptions;
  /**
   * Refusals and differences that become events. A refusal is an entry of the audit log, which the
   * hub keeps for ever.
   */
  readonly complaints: BucketOptions;
}

/** Default limits. A busy agent reports at most 50 times a second. */
export const DEFAULT_AGENT_LIMITS: AgentLimits = {
  connections: { burst: 60, perSecond: 1 },
  frames: { burst: 500, perSecond: 50 },
  bytes: { burst: 32 * 1024 * 1024, perSecond: 1024 * 1024 },
  // A full report of 1,000 policies takes some 50 ms, a delta of one policy half a millisecond.
  cpu: { burst: 5_000, perSecond: 100 },
  events: DEFAULT_EVENT_LIMITS,
  claims: { burst: 3, perSecond: 1 / 300 },
  complaints: { burst: 10, perSecond: 1 / 60 },
};

const NO_EVENTS: AdmittedEvents = { events: [], undo: () => undefined };

/** Rate limit of log lines with one message, which an agent can cause without end. */
const LINES = { burst: 10, perSecond: 1 / 60, addresses: 100 };

const STRIKE = { baseMs: 1_000, maxMs: 300_000, forgottenMs: 900_000 };
/** Delays of a welcome, for which an agent waits two minutes. */
const STALL = { baseMs: 15_000, maxMs: 90_000, forgottenMs: 900_000 };
/** Most commits that are remembered as those of an agent. */
const VOUCHED = 4;
/**
 * Rate limit of questions for the policies of an unknown list: a commit has one new list for a
 * cluster.
 */
const LISTS = { burst: 5, perSecond: 1 / 60 };
/** Rate limit of events about reports that are not kept: one an hour, besides the alert. */
const NOT_KEPT = { burst: 1, perSecond: 1 / 3_600 };

/** Delay that doubles with each fault, and is forgotten after a time without faults. */
class Penalty {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #times: typeof STRIKE;
  #faults = 0;
  #since = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, times: typeof STRIKE) {
    this.#clock = clock;
    this.#times = times;
  }

  /** Adds a fault. @param count number of faults that it counts as: six with 1 s make 32 s */
  add(count = 1): void {
    const now = this.#clock.monotonicMs();
    this.#faults = now - this.#since > this.#times.forgottenMs ? count : this.#faults + count;
    this.#since = now;
  }

  clear(): void {
    this.#faults = 0;
  }

  /** Whether there was a fault that is neither cleared nor forgotten. */
  get isOwed(): boolean {
    return this.#faults > 0 && this.#clock.monotonicMs() - this.#since <= this.#times.forgottenMs;
  }

  /** @returns milliseconds of the delay that are left */
  leftMs(): number {
    if (this.#faults === 0) return 0;
    const { baseMs, maxMs } = this.#times;
    return Math.max(0, this.#since + Math.min(maxMs, baseMs * 2 ** (this.#faults - 1)) - this.#clock.monotonicMs());
  }
}

/**
 * Limits what one cluster takes of what all share: the thread, the history, the audit log. It
 * outlives the streams of the cluster, so that reconnecting gains nothing.
 */
export class AgentBudget {
  /** Keeps the agent away after frames that the hub failed on, or could not read. */
  readonly strikes: Penalty;
  /** Delays the welcome of an agent that was cut off as it read nothing, until it acks an offer. */
  readonly stalls: Penalty;
  readonly #clock: Clock;
  readonly #limits: AgentLimits;
  readonly #frames: Allowance;
  readonly #bytes: Allowance;
  readonly #cpu: Allowance;
  /**
   * Allowances that most agents never use, each made when it is used first: a hub has a budget for
   * each of thousands.
   */
  readonly #rare = new Map<string, Allowance>();
  /** undefined until the agent sends events, as most never do. */
  #events: EventBudget | undefined;
  #allowsLine: ((message: string) => boolean) | undefined;
  /** Commits that the agent has, as the hub knows, or has charged a claim for; the newest last. */
  readonly #vouched = new Set<string>();

  constructor(clock: Clock, limits: AgentLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#frames = createAllowance(clock, limits.frames);
    this.#bytes = createAllowance(clock, limits.bytes);
    this.#cpu = createAllowance(clock, limits.cpu);
    this.strikes = new Penalty(clock, STRIKE);
    this.stalls = new Penalty(clock, STALL);
  }

  /** See {@link EventBudget.takeDropped}. */
  takeDropped(): ClusterEvent | undefined {
    return this.#events?.takeDropped();
  }

  /** Returns those of the events that are kept; see {@link EventBudget.admit}. */
  admit(events: readonly ClusterEvent[]): AdmittedEvents {
    if (events.length === 0 && this.#events === undefined) return NO_EVENTS;
    this.#events ??= new EventBudget(this.#clock, this.#limits.events);
    return this.#events.admit(events);
  }

  /** Whether one more stream may be opened now. */
  mayConnect(): boolean {
    return this.#allowanceOf('connections', this.#limits.connections).take(1) === 1;
  }

  /** Whether one more refusal or difference becomes an event. */
  mayComplain(): boolean {
    return this.#allowanceOf('complaints', this.#limits.complaints).take(1) === 1;
  }

  /** Whether one more event about reports that are not kept may be written. */
  mayTellNotKept(): boolean {
    return this.#allowanceOf('notKept', NOT_KEPT).take(1) === 1;
  }

  /** Whether the agent may be asked for the policies of one more list. */
  mayAskForList(): boolean {
    return this.#allowanceOf('lists', LISTS).take(1) === 1;
  }

  /** Whether one more line with this message may be logged. */
  mayLog(message: string): boolean {
    this.#allowsLine ??= createRateLimit(this.#clock, LINES);
    return this.#allowsLine(message);
  }

  #allowanceOf(kind: string, options: BucketOptions): Allowance {
    const allowance = this.#rare.get(kind) ?? createAllowance(this.#clock, options);
    this.#rare.set(kind, allowance);
    return allowance;
  }

  /**
   * Charges a frame of this size.
   *
   * @returns milliseconds until it may be read
   */
  frame(bytes: number): number {
    return Math.max(this.#frames.charge(1), this.#bytes.charge(bytes), this.#cpu.charge(0));
  }

  /** Charges CPU time that a frame took. */
  spendCpu(ms: number): void {
    this.#cpu.charge(ms);
  }

  /** Runs work of a frame, and charges the CPU time that it takes until it returns. */
  metered<T>(work: () => T): T {
    const before = threadCpuMs();
    try {
      return work();
    } finally {
      this.spendCpu(threadCpuMs() - before);
    }
  }

  /**
   * Records that the hub has seen the agent accept a commit, so that offers on top of it are free.
   */
  vouch(revision: string): void {
    this.#vouched.delete(revision);
    this.#vouched.add(revision);
    const [oldest] = this.#vouched;
    if (this.#vouched.size > VOUCHED && oldest !== undefined) this.#vouched.delete(oldest);
  }

  /**
   * Records that the agent has verified a commit that the hub has shown it. The commit that it
   * enforces stays known.
   *
   * @param base commit that the agent enforces
   */
  vouchOnTop(revision: string, base: string | null): void {
    if (base !== null && this.#vouched.has(base)) this.vouch(base);
    this.vouch(revision);
  }

  /**
   * Charges an offer on top of commits that only the agent claims to have.
   *
   * @returns milliseconds until it may be made; undefined if the hub knows that the agent has them
   */
  claim({ holds, anchor }: Pick<AgentHistory, 'holds' | 'anchor'>): number | undefined {
    const unknown = [holds, anchor].filter((revision) => revision !== null && !this.#vouched.has(revision));
    if (unknown.length === 0) return undefined;
    for (const revision of unknown) if (revision !== null) this.vouch(revision);
    return this.#allowanceOf('claims', this.#limits.claims).charge(1);
  }
}

/** Creates the budgets of all clusters, one for each that has ever proven its identity. */
export const createAgentBudgets = (clock: Clock, limits: AgentLimits): ((cluster: string) => AgentBudget) => {
  const budgets = new Map<string, AgentBudget>();
  return (cluster) => {
    const budget = budgets.get(cluster) ?? new AgentBudget(clock, limits);
    budgets.set(cluster, budget);
    return budget;
  };
};
