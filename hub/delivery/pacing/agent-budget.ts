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

/** A busy agent reports at most 50 times a second. */
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

/** Log lines of one kind that an agent can cause without end. */
const LINES = { burst: 10, perSecond: 1 / 60, addresses: 100 };

const STRIKE = { baseMs: 1_000, maxMs: 300_000, forgottenMs: 900_000 };
/** An agent waits two minutes for its welcome. */
const STALL = { baseMs: 15_000, maxMs: 90_000, forgottenMs: 900_000 };
/** Commits remembered that an agent has. */
const VOUCHED = 4;
/**
 * Questions for the policies of a list that the hub does not know: a commit has one new list for a
 * cluster.
 */
const LISTS = { burst: 5, perSecond: 1 / 60 };
/** Events about reports that are not kept: one an hour, beside the alert that lasts. */
const NOT_KEPT = { burst: 1, perSecond: 1 / 3_600 };

/** A time to wait that doubles with each fault, until none came for a while. */
class Penalty {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #times: typeof STRIKE;
  #faults = 0;
  #since = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, times: typeof STRIKE) {
    this.#clock = clock;
    this.#times = times;
  }

  /** @param count how many faults it counts as: six of 1 s are 32 s */
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

  /** @returns milliseconds that are yet to be waited */
  leftMs(): number {
    if (this.#faults === 0) return 0;
    const { baseMs, maxMs } = this.#times;
    return Math.max(0, this.#since + Math.min(maxMs, baseMs * 2 ** (this.#faults - 1)) - this.#clock.monotonicMs());
  }
}

/**
 * Keeps one cluster from taking what all share: the thread, the history, the audit log. It outlives
 * the streams of the cluster, so that to connect again gains nothing. What is too much waits.
 */
export class AgentBudget {
  /** Keep the agent away: the hub failed on frames of it, or could not read them. */
  readonly strikes: Penalty;
  /** Delay its welcome: it was cut off, as it took nothing, and has acknowledged no offer since. */
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
  /** undefined: the agent has had no events yet, as most never have. */
  #events: EventBudget | undefined;
  #allowsLine: ((message: string) => boolean) | undefined;
  /** Commits that the agent has, as the hub knows or has charged for; the newest last. */
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

  /**
   * @returns the event that says how many events were dropped; at most once a minute, and not
   * without any
   */
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
    return this.#rarely('connections', this.#limits.connections).take(1) === 1;
  }

  /** Whether one more refusal or difference becomes an event. */
  mayComplain(): boolean {
    return this.#rarely('complaints', this.#limits.complaints).take(1) === 1;
  }

  /** Whether one more event about reports that are not kept may be written. */
  mayTellNotKept(): boolean {
    return this.#rarely('notKept', NOT_KEPT).take(1) === 1;
  }

  /** Whether it may be asked for the policies of one more list. */
  mayAskForList(): boolean {
    return this.#rarely('lists', LISTS).take(1) === 1;
  }

  /** Whether one more log line with this message is of interest. */
  mayLog(message: string): boolean {
    this.#allowsLine ??= createRateLimit(this.#clock, LINES);
    return this.#allowsLine(message);
  }

  #rarely(kind: string, options: BucketOptions): Allowance {
    const allowance = this.#rare.get(kind) ?? createAllowance(this.#clock, options);
    this.#rare.set(kind, allowance);
    return allowance;
  }

  /**
   * @returns milliseconds until a frame of this size may be read, and the frames before it are paid
   * for
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
   * The hub has seen the agent take this commit, so that an offer on top of it is nothing special.
   */
  vouch(revision: string): void {
    this.#vouched.delete(revision);
    this.#vouched.add(revision);
    const [oldest] = this.#vouched;
    if (this.#vouched.size > VOUCHED && oldest !== undefined) this.#vouched.delete(oldest);
  }

  /**
   * The agent has verified a commit that the hub has shown it; the one that it has stays known.
   *
   * @param base commit that the agent has
   */
  vouchOnTop(revision: string, base: string | null): void {
    if (base !== null && this.#vouched.has(base)) this.vouch(base);
    this.vouch(revision);
  }

  /**
   * @returns milliseconds until an offer on top of a commit that the agent claims to have may be
   * made; undefined: the hub knows that it has it
   */
  claim({ holds, anchor }: Pick<AgentHistory, 'holds' | 'anchor'>): number | undefined {
    const unknown = [holds, anchor].filter((revision) => revision !== null && !this.#vouched.has(revision));
    if (unknown.length === 0) return undefined;
    for (const revision of unknown) if (revision !== null) this.vouch(revision);
    return this.#rarely('claims', this.#limits.claims).charge(1);
  }
}

/** The budgets of all clusters; as many as have ever proven to be one. */
export const createAgentBudgets = (clock: Clock, limits: AgentLimits): ((cluster: string) => AgentBudget) => {
  const budgets = new Map<string, AgentBudget>();
  return (cluster) => {
    const budget = budgets.get(cluster) ?? new AgentBudget(clock, limits);
    budgets.set(cluster, budget);
    return budget;
  };
};
