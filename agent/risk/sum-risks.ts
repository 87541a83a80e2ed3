import { MAX_NAMED_RISKS, type PolicyRisks, type Risk, type RiskClass } from '@fso/shared/api';

/** An owner at risk, and the policies of which it breaks the rules. */
export interface FoundRisk {
  readonly risk: Risk;
  readonly policies: readonly string[];
  /** Whether a dry run of its pods is still to come, which may find that a webhook mends them. */
  readonly isUntried: boolean;
}

/** The owners of a namespace at risk. */
export interface NamespaceRisks {
  /** Risks by policy. */
  readonly policies: ReadonlyMap<string, PolicyRisks>;
  /** Owners whose next pods would be refused. */
  readonly refused: readonly FoundRisk[];
  /**
   * Owners that are not judged whole: there are too many of them or of their templates, or these
   * are too large. Those at risk all the same are not counted.
   */
  readonly unjudged: number;
}

const NO_RISKS: PolicyRisks = { refused: 0, pending: 0, unconfirmed: 0, mended: 0, named: [] };
const ORDER: readonly RiskClass[] = ['Refused', 'Pending'];

/** Adds up the owners of one namespace under one policy. */
export class RiskTally {
  readonly #counts = { refused: 0, pending: 0, untried: 0, unconfirmed: 0, mended: 0 };
  readonly #named: Readonly<Record<RiskClass, Risk[]>> = { Refused: [], Pending: [] };

  add({ risk, isUntried }: FoundRisk): void {
    const named = this.#named[risk.risk];
    if (named.length < MAX_NAMED_RISKS) named.push(risk);
    this.#counts[risk.risk === 'Refused' ? 'refused' : 'pending'] += 1;
    if (risk.confirmation === 'Unconfirmed') this.#counts.unconfirmed += 1;
    if (risk.risk === 'Refused' && isUntried) this.#counts.untried += 1;
  }

  addMended(): void {
    this.#counts.mended += 1;
  }

  /** The sum so far. */
  get risks(): PolicyRisks {
    const { untried, ...counts } = this.#counts;
    return { ...counts, ...(untried > 0 && { untried }), named: ORDER.flatMap((risk) => this.#named[risk]).slice(0, MAX_NAMED_RISKS) };
  }
}

/** Adds up the risks of a policy in its namespaces. */
export const sumRisks = (parts: readonly PolicyRisks[]): PolicyRisks => {
  const some = parts.filter(({ refused, pending, mended }) => refused + pending + mended > 0);
  if (some.length === 0) return NO_RISKS;
  const sum = (count: 'refused' | 'pending' | 'untried' | 'unconfirmed' | 'mended'): number =>
    some.reduce((total, part) => total + (part[count] ?? 0), 0);
  const untried = sum('untried');
  const ofClass = (risk: RiskClass): readonly Risk[] => some.flatMap(({ named }) => named.filter((each) => each.risk === risk));
  return {
    refused: sum('refused'),
    pending: sum('pending'),
    ...(untried > 0 && { untried }),
    unconfirmed: sum('unconfirmed'),
    mended: sum('mended'),
    named: ORDER.flatMap(ofClass).slice(0, MAX_NAMED_RISKS),
  };
};
