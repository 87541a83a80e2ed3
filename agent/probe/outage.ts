import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { ProbeVerdict } from './probe.ts';
import type { ProbeSchedule } from './probe-schedule.ts';

/** How many other governed namespaces are asked before a lock counts as open everywhere, or as closed again. */
const SURVEY_SIZE = 3;
/** How many namespaces are probed during an outage; the others wait for its end. */
const SAMPLE_SIZE = 3;

interface OutageOptions<Question> {
  readonly schedule: ProbeSchedule;
  isProven(namespace: string): boolean;
  /** Asks for one proof. Undefined: there is nothing to ask there, or the expectation changed meanwhile. */
  ask(namespace: string, question: Question): Promise<ProbeVerdict | undefined>;
  onBegin(): void;
  /** Nothing that was known of any namespace counts any more. */
  onEnd(): void;
}

/** Whether a lock is open in all namespaces. A survey of a few decides when that begins and when it ends. */
export class Outage<Question> {
  readonly #options: OutageOptions<Question>;
  /** The question that showed the outage; undefined: there is none. */
  #question: Question | undefined;
  /** Namespaces that are probed while it lasts. */
  readonly #sample = new Set<string>();
  #isSurveying: boolean = false;
  /** Number of proofs by question: a proof during a survey makes the survey void. */
  readonly #proofs = new Map<Question, number>();

  constructor(options: OutageOptions<Question>) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#question !== undefined;
  }

  /** The lock is open in this namespace: asks whether it is open in others, too. */
  async suspect(namespace: string, question: Question): Promise<void> {
    if (this.isOn || this.#isSurveying) return;
    const { schedule, isProven, onBegin } = this.#options;
    const proofs = this.#proofs.get(question);
    const others = this.#others(namespace);
    const proven = others.filter(isProven);
    const answers = await this.#survey(proven.length > 0 ? proven : others, question);
    const isEverywhere = answers.includes('unproven') && !answers.includes('proven');
    if (!isEverywhere || this.#proofs.get(question) !== proofs || !schedule.has(namespace)) return;
    this.#question = question;
    onBegin();
  }

  /** The lock holds in this namespace: the outage is over when it holds in another too, or nothing is known of any. */
  async confirm(namespace: string, question: Question): Promise<void> {
    this.#proofs.set(question, (this.#proofs.get(question) ?? 0) + 1);
    if (this.#question !== question || this.#isSurveying) return;
    const answers = await this.#survey(this.#others(namespace), question);
    if (answers.includes('proven') || !answers.includes('unproven')) this.end();
  }

  /** Ends the outage, if there is one. */
  end(): void {
    if (!this.isOn) return;
    this.#question = undefined;
    this.#sample.clear();
    this.#options.onEnd();
  }

  /** Whether to go on probing this namespace: in an outage only a sample is probed. */
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

  /** Asks in the agent's own namespace, which no one else configures, where it is one of these, and in a few more. */
  async #survey(namespaces: readonly string[], question: Question): Promise<readonly (ProbeVerdict['kind'] | undefined)[]> {
    this.#isSurveying = true;
    const governed = namespaces.filter((namespace) => namespace !== SYSTEM_NAMESPACE).slice(0, SURVEY_SIZE);
    const own = namespaces.filter((namespace) => namespace === SYSTEM_NAMESPACE);
    try {
      const verdicts = await Promise.all([...own, ...governed].map((namespace) => this.#options.ask(namespace, question)));
      return verdicts.map((verdict) => verdict?.kind);
    } finally {
      this.#isSurveying = false;
    }
  }
}
