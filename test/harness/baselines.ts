import { type PolicyReport, policyKey } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { type AgentFrame, digestOfNamed, judgePolicyReport, type NamedTotal, type Report, totalOf } from '@fso/shared/protocol';
import { type Baseline, deviationsIn, type NamedPolicy } from '@fso/shared/status';

/**
 * Returns the baseline of a fully equipped cluster: current Kubernetes, and Gatekeeper.
 *
 * @param list digest of the compiled policies
 */
export const baselineOf = (list: string, change: Partial<Baseline> = {}): Baseline => ({
  list,
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: '2026-01-01T00:00:00.000Z',
  missing: '',
  namespaces: [],
  ...change,
});

/**
 * Baseline of an empty list, which every hub knows. The cluster has only the policies that it
 * reports by name.
 */
export const EMPTY_BASELINE: Baseline = baselineOf(digestOfPolicies([]));

/** Returns a report without any policy. */
export const emptyReport = (seq: number): Report => ({
  type: 'report',
  seq,
  full: false,
  baseline: EMPTY_BASELINE,
  total: totalOf(new Map()),
  deviations: [],
  policies: [],
  removed: [],
  events: [],
});

/** Report with optional fields, so that a test sets only those that matter. */
export type LooseReport = Omit<Report, 'baseline' | 'total' | 'deviations'> & Partial<Pick<Report, 'baseline' | 'total' | 'deviations'>>;
export type LooseFrame = Exclude<AgentFrame, Report> | LooseReport;

/**
 * Returns reports as a hub stores them: without invalid parts, and with fields in the hub's order.
 */
export const asTaken = (reports: Iterable<PolicyReport>): readonly PolicyReport[] =>
  [...reports].flatMap((report) => judgePolicyReport(report).entry ?? []);

/** Policies that a cluster has reported by name, from which the total of each report follows. */
export class ReportedNames {
  readonly #named = new Map<string, NamedPolicy>();

  /** @returns the policies that the hub must have by name after this report */
  take({ full, policies, removed, deviations = [] }: Pick<LooseReport, 'full' | 'policies' | 'removed' | 'deviations'>): NamedTotal {
    if (full) this.#named.clear();
    for (const [name, deviation] of deviationsIn(deviations)) this.#named.set(name, deviation);
    for (const report of asTaken(policies)) this.#named.set(policyKey(report), report);
    for (const key of removed) this.#named.delete(key);
    return totalOf(this.#named);
  }

  /** Adds a baseline and a total to a report that has none. */
  complete(report: LooseReport): Report {
    const total = this.take(report);
    return {
      ...report,
      deviations: report.deviations ?? [],
      baseline: report.baseline === undefined ? EMPTY_BASELINE : report.baseline,
      total: report.total ?? total,
    };
  }
}

/** Digest of whole reports. */
export const digestOfReports = (reports: Iterable<PolicyReport>): string =>
  digestOfNamed([...reports].map((report) => [policyKey(report), report] as const));
