import { fnv1a } from '@fso/shared/encoding';
import type { Clock } from '@fso/shared/runtime';

/** Round robin over namespaces. The next one is the one with the oldest turn or proof. */
export class ProbeSchedule {
  readonly #order = new Set<string>();
  readonly #busy = new Set<string>();

  has(namespace: string): boolean {
    return this.#order.has(namespace);
  }

  add(namespace: string): void {
    this.#order.add(namespace);
  }

  remove(namespace: string): void {
    this.#order.delete(namespace);
  }

  /** Moves a namespace that was just probed to the end. */
  postpone(namespace: string): void {
    if (this.#order.delete(namespace)) this.#order.add(namespace);
  }

  /** Namespaces in the order of their turns. */
  list(): readonly string[] {
    return [...this.#order];
  }

  /**
   * Starts the turn of the first namespace that is free and has no running turn.
   *
   * @param turn never rejects; its end is not awaited
   * @returns the namespace; undefined if none is free
   */
  runNext(isFree: (namespace: string) => boolean, turn: (namespace: string) => Promise<void>): string | undefined {
    for (const namespace of this.#order) {
      if (this.#busy.has(namespace) || !isFree(namespace)) continue;
      this.postpone(namespace);
      this.#busy.add(namespace);
      void turn(namespace).finally(() => this.#busy.delete(namespace));
      return namespace;
    }
    return undefined;
  }
}

/**
 * Round robin over the kinds of proof of each namespace. Every second proof is of the first kind;
 * the others alternate. Namespaces start with different kinds, so that at any time some namespace
 * is probed for each kind.
 */
export class RoundRobin<Kind> {
  readonly #turns = new Map<string, number>();

  next(namespace: string, kinds: readonly Kind[]): Kind | undefined {
    const turn = this.#turns.get(namespace) ?? fnv1a(namespace);
    this.#turns.set(namespace, turn + 1);
    const [first, ...others] = kinds;
    return others.length === 0 || turn % 2 === 0 ? first : others[Math.floor(turn / 2) % others.length];
  }

  forget(namespace: string): void {
    this.#turns.delete(namespace);
  }
}

/** Time between two requests, in ms: 1,000 namespaces have their turns within 8 min 20 s. */
const TICK_MS = 500;
/** Interval of the probes of lock 2, in requests: a dead Gatekeeper is detected after 2 s. */
const CANARY_EVERY = 4;
/**
 * Interval of the probes of the index, in requests. There is one index for all namespaces. If it is
 * not evaluated, this is detected within 20 s.
 */
const INDEX_EVERY = 20;
/**
 * Interval of the probes of guards, in requests. Guards take turns, never in a turn of lock 2: each
 * of five guards is probed within 50 s.
 */
const GUARD_EVERY = 20;
const GUARD_TURN = 10;
/**
 * Interval of the dry runs of templates, in requests. They use turns that would otherwise go to
 * lock 1. While templates wait for their first answer, the interval is the shortest one with which
 * every namespace still has its turn within 10 min.
 */
const TEMPLATE_EVERY = { shorter: [2, 4, 6, 8], usual: 10 };
const TEMPLATE_TURN = 1;
/** Requests in 10 min. */
const REQUESTS = 600_000 / TICK_MS;

const templateInterval = ({ waiting }: { readonly waiting: number }, namespaces: number): number => {
  const { shorter, usual } = TEMPLATE_EVERY;
  if (waiting === 0) return usual;
  return shorter.find((every) => REQUESTS * (1 - 1 / GUARD_EVERY - 1 / every) >= namespaces) ?? usual;
};

/** Parts of the probers that {@link runProbeSchedule} calls. */
interface ScheduledProbers {
  /** Lock 1, by namespace. */
  readonly prober: { probeNext(): void; postpone(namespace: string): void; readonly size: number };
  /** The index of lock 1. */
  readonly index: { probeNext(): void };
  /** Lock 2. @returns the probed namespace, if any */
  readonly canary: { probeNext(): string | undefined };
  /** @returns the probed guard, if any */
  readonly guard: { probeNext(): string | undefined };
  /** Templates of the next pods. @returns whether there was one to probe */
  readonly templates: { probeNext(): boolean; readonly waiting: number };
}

/**
 * Repeats all proofs until the signal aborts, with one request per tick for all namespaces
 * together. A tick does not wait for the response to the previous one.
 */
export const runProbeSchedule = async (clock: Clock, probers: ScheduledProbers, signal: AbortSignal): Promise<void> => {
  for (let tick = 1; !signal.aborted; tick += 1) {
    await clock.sleep(TICK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    probeOnce(probers, tick);
  }
};

const probeOnce = ({ prober, index, canary, guard, templates }: ScheduledProbers, tick: number): void => {
  if (tick % INDEX_EVERY === 0) index.probeNext();
  if (tick % templateInterval(templates, prober.size) === TEMPLATE_TURN && templates.probeNext()) return;
  if (tick % GUARD_EVERY === GUARD_TURN && guard.probeNext() !== undefined) return;
  const asked = tick % CANARY_EVERY === 0 ? canary.probeNext() : undefined;
  if (asked === undefined) prober.probeNext();
  else prober.postpone(asked);
};

/** Longer than the restart of an API server. */
const LONG_MS = 30_000;

/** Records scheduled probes that no lock answered, because a proof does not last for ever. */
export class UnansweredProbes {
  readonly #clock: Clock;
  /** Time of the first unanswered probe, by namespace and kind of proof; monotonic ms. */
  readonly #since = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  recordAnswer(namespace: string, kind: string): void {
    this.#since.get(namespace)?.delete(kind);
  }

  /**
   * Records an unanswered probe.
   *
   * @returns whether any probe of the namespace has been unanswered for so long that its proof no
   * longer counts
   */
  recordMiss(namespace: string, kind: string): boolean {
    const now = this.#clock.monotonicMs();
    const kinds = this.#since.get(namespace) ?? new Map<string, number>();
    this.#since.set(namespace, kinds);
    if (!kinds.has(kind)) kinds.set(kind, now);
    return [...kinds.values()].some((since) => now - since >= LONG_MS);
  }

  forget(namespace: string): void {
    this.#since.delete(namespace);
  }
}
