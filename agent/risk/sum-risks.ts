import { MAX_NAMED_RISKS, type PolicyRisks, type Risk, type RiskClass } from '@fso/shared/api';

/** An owner at risk, and the policies of which it breaks the rules. */
export interface FoundRisk {
  readonly risk: Risk;
  readonly policies: readonly string[];
}

/** The owners of a namespace at risk. */
export interface NamespaceRisks {
  readonly found: readonly FoundRisk[];
  /** Owners that webhooks mend, by policy. */
  readonly mended: ReadonlyMap<string, number>;
  /**
   * Owners that are not judged whole: there are too many of them or of their templates, or these
   * are too large. Those at risk all the same are not counted.
   */
  readonly unjudged: number;
}

const NO_RISKS: PolicyRisks = { refused: 0, pending: 0, unconfirmed: 0, mended: 0, named: [] };
const ORDER: readonly RiskClass[] = ['Refused', 'Pending'];

/** Adds the risks of a policy's namespaces up. */
export const sumRisks = (policy: string, parts: readonly NamespaceRisks[]): PolicyRisks => {
  const own = parts.flatMap(({ found }) => found.filter(({ policies }) => policies.includes(policy)).map(({ risk }) => risk));
  const mended = parts.reduce((sum, part) => sum + (part.mended.get(policy) ?? 0), 0);
  if (own.length === 0 && mended === 0) return NO_RISKS;
  const count = (of: RiskClass): number => own.filter(({ risk }) => risk === of).length;
  return {
    refused: count('Refused'),
    pending: count('Pending'),
    unconfirmed: own.filter(({ confirmation }) => confirmation === 'Unconfirmed').length,
    mended,
    named: own.toSorted((a, b) => ORDER.indexOf(a.risk) - ORDER.indexOf(b.risk)).slice(0, MAX_NAMED_RISKS),
  };
};
