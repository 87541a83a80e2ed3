import { MAX_NAMED_RISKS, type PolicyRisks, type Risk, type RiskClass } from '@fso/shared/api';

/** Owner at risk, with the policies whose rules it violates. */
export interface FoundRisk {
  readonly risk: Risk;
  readonly policies: readonly string[];
  /** Whether a dry run of its pods is still pending, which may show that a webhook fixes them. */
  readonly isUntried: boolean;
}

/** Owners at risk in a namespace. */
export interface NamespaceRisks {
  /** Risks by policy. */
  readonly policies: ReadonlyMap<string, PolicyRisks>;
  /** Owners whose next pods would be refused. */
  readonly refused: readonly FoundRisk[];
  /**
   * Number of owners that are not fully judged, because there are too many of them or of their
   * templates, or templates are too large. Owners found at risk anyway are not counted.
   */
  readonly unjudged: number;
}

const NO_RISKS: PolicyRisks = { refused: 0, pending: 0, unconfirmed: 0, mended: 0, named: [] };
const ORDER: readonly RiskClass[] = ['Refused', 'Pending'];

/** Counts the owners of one namespace under one policy. */
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

  /** Sum so far. */
  get risks(): PolicyRisks {
    const { untried, ...counts } = this.#counts;
    return { ...counts, ...(untried > 0 && { untried }), named: ORDER.flatMap((risk) => this.#named[risk]).slice(0, MAX_NAMED_RISKS) };
  }
}

/** Sums up the risks of a policy over its namespaces. */
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
