import type { ClusterEvent } from '@fso/shared/api';
import { type Allowance, type BucketOptions, type Clock, createAllowance, createBucket } from '@fso/shared/runtime';
import type { AgentHistory } from '../offers.ts';

/** What the agent of one cluster may ask of the hub, over all of its streams. */
export interface AgentLimits {
  readonly connections: BucketOptions;
  /** Pings count as frames. */
  readonly frames: BucketOptions;
  readonly bytes: BucketOptions;
  readonly events: BucketOptions;
  /** Offers on top of a commit that the hub has not seen the agent take. */
  readonly claims: BucketOptions;
  /** Refusals and differences that become events. A refusal is an entry of the audit log, which the hub keeps for ever. */
  readonly complaints: BucketOptions;
}

/** A busy agent reports at most 50 times a second; one that was away for long has up to 1,000 events. */
export const DEFAULT_AGENT_LIMITS: AgentLimits = {
  connections: { burst: 60, perSecond: 1 },
  frames: { burst: 500, perSecond: 50 },
  bytes: { burst: 32 * 1024 * 1024, perSecond: 1024 * 1024 },
  events: { burst: 1000, perSecond: 10 },
  claims: { burst: 3, perSecond: 1 / 300 },
  complaints: { burst: 10, perSecond: 1 / 60 },
};

const STRIKE = { baseMs: 1_000, maxMs: 300_000, forgottenMs: 900_000 };
/** Commits remembered that an agent has. */
const VOUCHED = 4;
/** Time between two events that say how many were dropped. */
const DROPPED_MS = 60_000;

/** Which events go first where not all can be kept. */
const RANKS: Readonly<Record<ClusterEvent['severity'], number>> = { alert: 0, warning: 1, info: 2 };

const keepGravest = (events: readonly ClusterEvent[], count: number): readonly ClusterEvent[] => {
  const kept = new Set([...events].sort((a, b) => RANKS[a.severity] - RANKS[b.severity]).slice(0, count));
  return events.filter((event) => kept.has(event));
};

/**
 * Keeps one cluster from taking what all share: the thread, the history, the audit log. It outlives the streams of the cluster, so that to
 * connect again gains nothing. What is too much waits, events are dropped and counted.
 */
export class AgentBudget {
  /** Whether one more stream may be opened now. */
  readonly mayConnect: () => boolean;
  /** Whether one more refusal or difference becomes an event. */
  readonly mayComplain: () => boolean;
  readonly #clock: Clock;
  readonly #frames: Allowance;
  readonly #bytes: Allowance;
  readonly #events: Allowance;
  readonly #claims: Allowance;
  #dropped = 0;
  #droppedToldAt = Number.NEGATIVE_INFINITY;
  #strikes = 0;
  #struckAt = 0;
  /** Commits that the agent has, as the hub knows or has charged for; the newest last. */
  readonly #vouched = new Set<string>();

  constructor(clock: Clock, limits: AgentLimits) {
    this.#clock = clock;
    this.mayConnect = createBucket(clock, limits.connections);
    this.mayComplain = createBucket(clock, limits.complaints);
    this.#frames = createAllowance(clock, limits.frames);
    this.#bytes = createAllowance(clock, limits.bytes);
    this.#events = createAllowance(clock, limits.events);
    this.#claims = createAllowance(clock, limits.claims);
  }

  /** @returns milliseconds until a frame of this size may be read */
  frame(bytes: number): number {
    return Math.max(this.#frames.charge(1), this.#bytes.charge(bytes));
  }

  /** What is kept of events, the gravest first, and, at most once a minute, an event that says how many were not. */
  admitEvents(events: readonly ClusterEvent[]): readonly ClusterEvent[] {
    const count = this.#events.take(events.length);
    this.#dropped += events.length - count;
    const kept = count === events.length ? events : keepGravest(events, count);
    const dropped = this.#tellDropped();
    return dropped === undefined ? kept : [...kept, dropped];
  }

  /** Events that were admitted were not kept after all: they come again. */
  returnEvents(count: number): void {
    this.#events.giveBack(count);
  }

  #tellDropped(): ClusterEvent | undefined {
    if (this.#dropped === 0 || this.#clock.monotonicMs() - this.#droppedToldAt < DROPPED_MS) return undefined;
    const message = `${this.#dropped} events of this cluster were dropped: it sent more than the hub keeps of one.`;
    this.#dropped = 0;
    this.#droppedToldAt = this.#clock.monotonicMs();
    return { time: this.#clock.now().toISOString(), severity: 'warning', reason: 'EventsDropped', message };
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
