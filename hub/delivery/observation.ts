import { type Ages, decodeAges } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import type { AgeLimits, DeliveryDeps, DeliveryLimits } from './types.ts';

/** An agent whose ages are checked. */
export interface ObservedAgent {
  readonly cluster: string;
  /** Forgets the ages of the agent, and requests them. @returns whether there were any */
  askAges(): boolean;
  /** Records what is overdue: ages that are too high, and an offer without an answer. */
  noteOverdue(): void;
}

/** Names for what is too old if the agent does not name it. */
const TOO_OLD = { part: 'reconcile', kind: 'watch' } as const;
const NOTHING: readonly string[] = [];

/**
 * Finds the parts of an agent's observation that are too old.
 *
 * @param elapsedMs milliseconds since the agent sent its ages
 * @returns what is out of date; empty if nothing is
 */
export const findOutOfDate = ({ outOfDate, oldestPartMs, oldestKindMs }: Ages, elapsedMs: number, limits: AgeLimits): readonly string[] => {
  if (outOfDate.length > 0) return outOfDate;
  const isPartOld = oldestPartMs + elapsedMs > limits.partMs;
  const isKindOld = oldestKindMs + elapsedMs > limits.kindMs;
  // The common case, each second for each agent, allocates nothing.
  if (!isPartOld && !isKindOld) return NOTHING;
  return [...(isPartOld ? [TOO_OLD.part] : []), ...(isKindOld ? [TOO_OLD.kind] : [])];
};

/**
 * Shortest time between two changes of the names while something is out of date, in milliseconds.
 */
const RENAME_MS = 60_000;

interface Stamped<T> {
  readonly value: T;
  readonly atMs: number;
}

/**
 * Observation of one agent: whether its reports are out of date by the ages that it sends on its
 * stream.
 */
export class AgentObservation {
  readonly #limits: AgeLimits;
  readonly #clock: Clock;
  #ages: Stamped<Ages> | undefined;
  /** Names that were returned last; undefined if nothing was out of date. */
  #named: Stamped<readonly string[]> | undefined;

  constructor(limits: AgeLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes the payload of a pong. @returns whether it has ages */
  hear(pong: Buffer): boolean {
    const ages = decodeAges(pong);
    if (ages !== undefined) this.#ages = { value: ages, atMs: this.#clock.monotonicMs() };
    return ages !== undefined;
  }

  /** Forgets the ages until the next pong. @returns whether there were any */
  forget(): boolean {
    const hadAges = this.#ages !== undefined;
    this.#ages = undefined;
    return hadAges;
  }

  /** @returns what is out of date now; undefined if the agent has sent no ages */
  outOfDate(): readonly string[] | undefined {
    if (this.#ages === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const found = findOutOfDate(this.#ages.value, nowMs - this.#ages.atMs, this.#limits);
    const isRenamed = this.#named === undefined || nowMs - this.#named.atMs >= RENAME_MS;
    if (found.length === 0) this.#named = undefined;
    else if (isRenamed) this.#named = { value: found, atMs: nowMs };
    return this.#named?.value ?? found;
  }
}

/** Number of checks of the ages between two pings. */
const CHECKS = 15;
/** Delay in milliseconds above which a check is skipped: pongs of agents may lie unread. */
const LATE_MS = 1_000;

/**
 * Checks the ages of all agents about once a second, and bounds the time for which a pause of the
 * hub makes them unknown.
 */
export class ObservationWatch {
  readonly #agents: () => Iterable<ObservedAgent>;
  readonly #limits: Pick<DeliveryLimits, 'heartbeatMs' | 'suspendedMs'>;
  readonly #deps: Pick<DeliveryDeps, 'clock' | 'ledger'>;
  /** Clusters whose observation is suspended, and until when: monotonic, ms. */
  #suspended: { readonly clusters: readonly string[]; readonly untilMs: number } = { clusters: [], untilMs: 0 };

  constructor(
    agents: () => Iterable<ObservedAgent>,
    limits: Pick<DeliveryLimits, 'heartbeatMs' | 'suspendedMs'>,
    deps: Pick<DeliveryDeps, 'clock' | 'ledger'>,
  ) {
    this.#agents = agents;
    this.#limits = limits;
    this.#deps = deps;
  }

  suspend(): void {
    const { clock, ledger } = this.#deps;
    const clusters = [...this.#agents()].flatMap((agent) => (agent.askAges() ? [agent.cluster] : []));
    ledger.suspendObservation(clusters);
    const untilMs = clock.monotonicMs() + this.#limits.suspendedMs;
    this.#suspended = { clusters: [...new Set([...this.#suspended.clusters, ...clusters])], untilMs };
  }

  /** Checks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const everyMs = this.#limits.heartbeatMs / CHECKS;
    while (!signal.aborted) {
      const due = clock.monotonicMs() + everyMs;
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (!signal.aborted && clock.monotonicMs() - due <= LATE_MS) this.#check();
    }
  }

  #check(): void {
    for (const agent of this.#agents()) agent.noteOverdue();
    const { clusters, untilMs } = this.#suspended;
    if (clusters.length === 0 || this.#deps.clock.monotonicMs() < untilMs) return;
    this.#deps.ledger.resumeObservation(clusters);
    this.#suspended = { clusters: [], untilMs: 0 };
  }
}
