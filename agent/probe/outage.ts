import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { ProbeVerdict } from './probe.ts';
import type { ProbeSchedule } from './probe-schedule.ts';

/**
 * Number of other governed namespaces that a survey probes before a lock counts as open everywhere,
 * or as closed again.
 */
const SURVEY_SIZE = 3;
/** Number of namespaces probed during an outage. The others wait for its end. */
const SAMPLE_SIZE = 3;

interface OutageOptions<Kind> {
  readonly schedule: ProbeSchedule;
  isProven(namespace: string): boolean;
  /** Runs one probe. undefined if the namespace is no target, or its target changed meanwhile. */
  probe(namespace: string, kind: Kind): Promise<ProbeVerdict | undefined>;
  onBegin(): void;
  /** Called when earlier proofs no longer count in any namespace. */
  onEnd(): void;
}

/**
 * Tracks whether a lock is open in all namespaces. A survey of a few namespaces decides when an
 * outage begins and ends.
 */
export class Outage<Kind> {
  readonly #options: OutageOptions<Kind>;
  /** Kind of proof that showed the outage; undefined without an outage. */
  #kind: Kind | undefined;
  /** Namespaces that are probed during the outage. */
  readonly #sample = new Set<string>();
  #isSurveying: boolean = false;
  /** Number of proofs by kind. A proof during a survey invalidates the survey. */
  readonly #proofs = new Map<Kind, number>();

  constructor(options: OutageOptions<Kind>) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#kind !== undefined;
  }

  /** Handles an open lock in one namespace: surveys whether it is open in others too. */
  async suspect(namespace: string, kind: Kind): Promise<void> {
    if (this.isOn || this.#isSurveying) return;
    const { schedule, isProven, onBegin } = this.#options;
    const proofs = this.#proofs.get(kind);
    const others = this.#others(namespace);
    const proven = others.filter(isProven);
    const answers = await this.#survey(proven.length > 0 ? proven : others, kind);
    const isEverywhere = answers.includes('unproven') && !answers.includes('proven');
    if (!isEverywhere || this.#proofs.get(kind) !== proofs || !schedule.has(namespace)) return;
    this.#kind = kind;
    onBegin();
  }

  /**
   * Handles a proof in one namespace. The outage ends if the lock also holds in another namespace,
   * or if no other is known to be open.
   */
  async confirm(namespace: string, kind: Kind): Promise<void> {
    this.#proofs.set(kind, (this.#proofs.get(kind) ?? 0) + 1);
    if (this.#kind !== kind || this.#isSurveying) return;
    const answers = await this.#survey(this.#others(namespace), kind);
    if (answers.includes('proven') || !answers.includes('unproven')) this.end();
  }

  /** Ends the outage, if there is one. */
  end(): void {
    if (!this.isOn) return;
    this.#kind = undefined;
    this.#sample.clear();
    this.#options.onEnd();
  }

  /** Whether to go on probing this namespace. During an outage only a sample is probed. */
  isSampled(namespace: string): boolean {
    if (!this.isOn || this.#sample.has(namespace)) return true;
    const isSampled = this.#sample.size < SAMPLE_SIZE;
    if (isSampled) this.#sample.add(namespace);
    return isSampled;
  }

  forget(namespace: string): void {
    this.#sample.delete(namespace);
  }

  #others(namespace: string): readonly string[] {
    return this.#options.schedule.list().filter((other) => other !== namespace);
  }

  /**
   * Probes a few of the namespaces, and the agent's own if it is among them, since only the agent
   * configures that one.
   */
  async #survey(namespaces: readonly string[], kind: Kind): Promise<readonly (ProbeVerdict['kind'] | undefined)[]> {
    this.#isSurveying = true;
    const governed = namespaces.filter((namespace) => namespace !== SYSTEM_NAMESPACE).slice(0, SURVEY_SIZE);
    const own = namespaces.filter((namespace) => namespace === SYSTEM_NAMESPACE);
    try {
      const verdicts = await Promise.all([...own, ...governed].map((namespace) => this.#options.probe(namespace, kind)));
      return verdicts.map((verdict) => verdict?.kind);
    } finally {
      this.#isSurveying = false;
    }
  }
}
