import { type Allowance, type BucketOptions, type Clock, createAllowance, createBucket } from '@fso/shared/runtime';
import type { AgentHistory } from '../offers.ts';
import { DEFAULT_EVENT_LIMITS, EventBudget, type EventLimits } from './event-budget.ts';

/** What the agent of one cluster may ask of the hub, over all of its streams. */
export interface AgentLimits {
  readonly connections: BucketOptions;
  /** Pings count as frames. */
  readonly frames: BucketOptions;
  readonly bytes: BucketOptions;
  readonly events: EventLimits;
  /** Offers on top of a commit that the hub has not seen the agent take. */
  readonly claims: BucketOptions;
  /** Refusals and differences that become events. A refusal is an entry of the audit log, which the hub keeps for ever. */
  readonly complaints: BucketOptions;
}

/** A busy agent reports at most 50 times a second. */
export const DEFAULT_AGENT_LIMITS: AgentLimits = {
  connections: { burst: 60, perSecond: 1 },
  frames: { burst: 500, perSecond: 50 },
  bytes: { burst: 32 * 1024 * 1024, perSecond: 1024 * 1024 },
  events: DEFAULT_EVENT_LIMITS,
  claims: { burst: 3, perSecond: 1 / 300 },
  complaints: { burst: 10, perSecond: 1 / 60 },
};

const STRIKE = { baseMs: 1_000, maxMs: 300_000, forgottenMs: 900_000 };
/** Commits remembered that an agent has. */
const VOUCHED = 4;
/** Events that say that not all reports are kept: one an hour, beside the alert that lasts. */
const NOT_KEPT = { burst: 1, perSecond: 1 / 3_600 };

/**
 * Keeps one cluster from taking what all share: the thread, the history, the audit log. It outlives the streams of the cluster, so that to
 * connect again gains nothing. What is too much waits.
 */
export class AgentBudget {
  /** Whether one more stream may be opened now. */
  readonly mayConnect: () => boolean;
  /** Whether one more refusal or difference becomes an event. */
  readonly mayComplain: () => boolean;
  /** Whether one more event may say that not all reports of the cluster are kept. */
  readonly mayTellNotKept: () => boolean;
  readonly events: EventBudget;
  readonly #clock: Clock;
  readonly #frames: Allowance;
  readonly #bytes: Allowance;
  readonly #claims: Allowance;
  #strikes = 0;
  #struckAt = 0;
  /** Commits that the agent has, as the hub knows or has charged for; the newest last. */
  readonly #vouched = new Set<string>();

  constructor(clock: Clock, limits: AgentLimits) {
    this.#clock = clock;
    this.mayConnect = createBucket(clock, limits.connections);
    this.mayComplain = createBucket(clock, limits.complaints);
    this.mayTellNotKept = createBucket(clock, NOT_KEPT);
    this.#frames = createAllowance(clock, limits.frames);
    this.#bytes = createAllowance(clock, limits.bytes);
    this.events = new EventBudget(clock, limits.events);
    this.#claims = createAllowance(clock, limits.claims);
  }

  /** @returns milliseconds until a frame of this size may be read */
  frame(bytes: number): number {
    return Math.max(this.#frames.charge(1), this.#bytes.charge(bytes));
  }

  /** The hub has seen the agent take this commit, so that an offer on top of it is nothing special. */
  vouch(revision: string): void {
    this.#vouched.delete(revision);
    this.#vouched.add(revision);
    const [oldest] = this.#vouched;
    if (this.#vouched.size > VOUCHED && oldest !== undefined) this.#vouched.delete(oldest);
  }

  /** @returns milliseconds until an offer on top of what an agent says that it has may be made; undefined: the hub knows that it has it */
  claim({ holds, anchor }: Pick<AgentHistory, 'holds' | 'anchor'>): number | undefined {
    const unknown = [holds, anchor].filter((revision) => revision !== null && !this.#vouched.has(revision));
    if (unknown.length === 0) return undefined;
    for (const revision of unknown) if (revision !== null) this.vouch(revision);
    return this.#claims.charge(1);
  }

  /** The hub failed on a frame of the agent: each time it is kept away for twice as long. */
  strike(): void {
    const now = this.#clock.monotonicMs();
    this.#strikes = now - this.#struckAt > STRIKE.forgottenMs ? 1 : this.#strikes + 1;
    this.#struckAt = now;
  }

  /** @returns milliseconds for which the agent is kept away */
  blockedMs(): number {
    if (this.#strikes === 0) return 0;
    const delay = Math.min(STRIKE.maxMs, STRIKE.baseMs * 2 ** (this.#strikes - 1));
    return Math.max(0, this.#struckAt + delay - this.#clock.monotonicMs());
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
