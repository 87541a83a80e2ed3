import type { PolicyRisks } from '@fso/shared/api';
import type { NodeFacts } from '@fso/shared/risk';
import { type Clock, type Logger, messageOf } from '@fso/shared/runtime';
import type { Governance } from '../enforce/index.ts';
import type { TemplateAnswer, TemplateTarget } from '../probe/index.ts';
import type { OwnerCache } from './owner-cache.ts';
import { RiskFinder } from './risk-finder.ts';
import type { FoundRisk } from './sum-risks.ts';

/** Knowledge of the risks in the cluster. */
export interface KnownRisks {
  /**
   * Risks by policy; policies that deny nothing are absent. `recent`: not known for a moment, as
   * after a start. undefined: not known.
   */
  readonly policies: ReadonlyMap<string, PolicyRisks> | 'recent' | undefined;
  /** Reason why they are not known, or not all of them; undefined: they are. */
  readonly problem: string | undefined;
}

export interface RiskWatchDeps {
  readonly owners: Pick<OwnerCache, 'ownersIn' | 'problem' | 'leftOut' | 'subscribe'>;
  readonly view: { readonly nodeFacts: readonly NodeFacts[] };
  readonly prober: {
    expect(targets: ReadonlyMap<string, TemplateTarget>): void;
    answer(target: string): TemplateAnswer | undefined;
  };
  /** Whether the API server injects placements. */
  readonly injects: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time after which policies in the cluster no longer show what was known, ms. */
  readonly shownMs: number;
  /** Asks for the next round. */
  readonly wake: () => void;
}

const TICK_MS = 1_000;

/**
 * Looks in each round for owners whose next pods are at risk, and has their templates tried.
 * Nothing that enforces rests on it: where it fails, risks are unknown.
 */
export class RiskWatch {
  readonly #deps: RiskWatchDeps;
  readonly #finder = new RiskFinder();
  #unknownSince: number | undefined;

  constructor(deps: RiskWatchDeps) {
    this.#deps = deps;
  }

  /** Asks for a round when the owners, or what is read of them, change; until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { owners, clock, wake } = this.#deps;
    const stop = owners.subscribe(wake);
    const state = (): string => `${owners.problem} ${this.#isOver}`;
    let before = state();
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal).catch(() => undefined);
      const now = state();
      if (now !== before) wake();
      before = now;
    }
    stop();
  }

  /** Finds the risks of a round. Never throws. */
  look(governance: Pick<Governance, 'namespaces' | 'policies'>): KnownRisks {
    const { owners, logger } = this.#deps;
    try {
      const { problem } = owners;
      if (problem !== undefined) return this.#unknown(problem);
      const found = this.#find(governance);
      this.#unknownSince = undefined;
      const unjudged = found.unjudged + owners.leftOut;
      return { policies: found.policies, problem: unjudged === 0 ? undefined : unjudgedText(unjudged) };
    } catch (error) {
      logger.error({ err: error }, 'risks cannot be found');
      return this.#unknown(`they cannot be found: ${messageOf(error)}`);
    }
  }

  /** The owners of a namespace at risk; none while that is not known. */
  foundIn(namespace: string): readonly FoundRisk[] {
    return this.#unknownSince === undefined ? this.#finder.foundIn(namespace) : [];
  }

  /** Whether what was known before is no longer to be shown. */
  get #isOver(): boolean {
    const { clock, shownMs } = this.#deps;
    return this.#unknownSince !== undefined && clock.monotonicMs() - this.#unknownSince >= shownMs;
  }

  #unknown(problem: string): KnownRisks {
    this.#unknownSince ??= this.#deps.clock.monotonicMs();
    return { policies: this.#isOver ? undefined : 'recent', problem };
  }

  #find(governance: Pick<Governance, 'namespaces' | 'policies'>) {
    const { owners, view, injects, prober } = this.#deps;
    const found = this.#finder.find({
      governance,
      ownersIn: (namespace) => owners.ownersIn(namespace),
      nodes: view.nodeFacts,
      injects: injects(),
      answer: (target) => prober.answer(target),
    });
    prober.expect(found.targets);
    return found;
  }
}

const unjudgedText = (count: number): string =>
  `${count} owners are not judged: there are more than are looked at, or their templates ask for more than is kept`;
