import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { ProbeVerdict } from './probe.ts';
import type { Round } from './probe-schedule.ts';

/** So many other governed namespaces are asked before a lock counts as open everywhere, or as closed again. */
const SURVEYED = 3;
/** So many look whether an outage is over; the others wait for that. */
const SCOUTS = 3;

interface OutageOptions<Question> {
  readonly round: Round;
  isProven(namespace: string): boolean;
  /** One proof. Undefined: there is nothing to ask there, or what is expected changed meanwhile. */
  ask(namespace: string, question: Question): Promise<ProbeVerdict | undefined>;
  began(): void;
  /** Nothing that was known of any namespace counts any more. */
  ended(): void;
}

/** Whether a lock is open in all namespaces: found out, and found over, by asking a few. */
export class Outage<Question> {
  readonly #options: OutageOptions<Question>;
  /** What showed it; undefined: there is none. */
  #question: Question | undefined;
  /** Namespaces that are looked at while it lasts. */
  readonly #scouts = new Set<string>();
  #isSurveying: boolean = false;
  /** Counts proofs by what was asked: a survey that one of them overtakes is void. */
  readonly #proofs = new Map<Question, number>();

  constructor(options: OutageOptions<Question>) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#question !== undefined;
  }

  /** The lock is open in this namespace: is it in others? */
  async suspect(namespace: string, question: Question): Promise<void> {
    if (this.isOn || this.#isSurveying) return;
    const { round, isProven, began } = this.#options;
    const proofs = this.#proofs.get(question);
    const others = this.#others(namespace);
    const proven = others.filter(isProven);
    const answers = await this.#survey(proven.length > 0 ? proven : others, question);
    const isEverywhere = answers.includes('unproven') && !answers.includes('proven');
    if (!isEverywhere || this.#proofs.get(question) !== proofs || !round.has(namespace)) return;
    this.#question = question;
    began();
  }

  /** The lock was proven to hold in this namespace: an outage is over when it holds in another too, or nothing is known of any. */
  async holds(namespace: string, question: Question): Promise<void> {
    this.#proofs.set(question, (this.#proofs.get(question) ?? 0) + 1);
    if (this.#question !== question || this.#isSurveying) return;
    const answers = await this.#survey(this.#others(namespace), question);
    if (answers.includes('proven') || !answers.includes('unproven')) this.end();
  }

  /** Nothing, where there is none. */
  end(): void {
    if (!this.isOn) return;
    this.#question = undefined;
    this.#scouts.clear();
    this.#options.ended();
  }

  /** Whether to go on looking at this namespace: in an outage all but a few are left alone until it is over. */
  isScout(namespace: string): boolean {
    if (!this.isOn || this.#scouts.has(namespace)) return true;
    const isScout = this.#scouts.size < SCOUTS;
    if (isScout) this.#scouts.add(namespace);
    return isScout;
  }

  forget(namespace: string): void {
    this.#scouts.delete(namespace);
  }

  #others(namespace: string): readonly string[] {
    return this.#options.round.list().filter((other) => other !== namespace);
  }

  /** Asks the agent's own namespace, in which nobody else has a say, where it is one of them, and a few more. */
  async #survey(namespaces: readonly string[], question: Question): Promise<readonly (ProbeVerdict['kind'] | undefined)[]> {
    this.#isSurveying = true;
    const governed = namespaces.filter((namespace) => namespace !== SYSTEM_NAMESPACE).slice(0, SURVEYED);
    const own = namespaces.filter((namespace) => namespace === SYSTEM_NAMESPACE);
    try {
      const verdicts = await Promise.all([...own, ...governed].map((namespace) => this.#options.ask(namespace, question)));
      return verdicts.map((verdict) => verdict?.kind);
    } finally {
      this.#isSurveying = false;
    }
  }
}
