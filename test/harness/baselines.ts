import { type PolicyReport, policyKey } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { type AgentFrame, changeDigest, type Deviations, EMPTY_DIGEST, judgePolicyReport, type Report } from '@fso/shared/protocol';
import type { Baseline } from '@fso/shared/status';

/** That of a cluster where nothing is missing: Kubernetes of today, and Gatekeeper. @param list digest of the compiled policies */
export const baselineOf = (list: string, change: Partial<Baseline> = {}): Baseline => ({
  list,
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: '2026-01-01T00:00:00.000Z',
  missing: '',
  namespaces: [],
  ...change,
});

/** Of a list without a policy, which every hub knows: the cluster has what it reports by name, and nothing else. */
export const EMPTY_BASELINE: Baseline = baselineOf(digestOfPolicies([]));

/** A report of which a test says only what it is about. */
export type LooseReport = Omit<Report, 'baseline' | 'deviations'> & Partial<Pick<Report, 'baseline' | 'deviations'>>;
export type LooseFrame = Exclude<AgentFrame, Report> | LooseReport;

/** Without what a hub drops of a report that is not valid, and with its fields in the order in which a hub has them. */
export const asTaken = (reports: Iterable<PolicyReport>): readonly PolicyReport[] =>
  [...reports].flatMap((report) => judgePolicyReport(report).entry ?? []);

/** The policies of the hub that a cluster has reported by name, for what it says of them with each report. */
export class ReportedNames {
  readonly #reports = new Map<string, PolicyReport>();
  #root = EMPTY_DIGEST;

  /** @returns what the hub must have by name once it has taken the report */
  take({ full, policies, removed }: Pick<Report, 'full' | 'policies' | 'removed'>): Deviations {
    if (full) {
      this.#reports.clear();
      this.#root = EMPTY_DIGEST;
    }
    for (const report of asTaken(policies)) this.#put(policyKey(report), report.managedBy === 'hub' ? report : undefined);
    for (const key of removed) this.#put(key, undefined);
    return { count: this.#reports.size, root: this.#root };
  }

  /** The report with a baseline and deviations where it has none. */
  complete(report: LooseReport): Report {
    const deviations = this.take(report);
    return {
      ...report,
      baseline: report.baseline === undefined ? EMPTY_BASELINE : report.baseline,
      deviations: report.deviations ?? deviations,
    };
  }

  #put(key: string, report: PolicyReport | undefined): void {
    const before = this.#reports.get(key);
    this.#root = changeDigest(this.#root, report === undefined ? [] : [report], before === undefined ? [] : [before]);
    if (report === undefined) this.#reports.delete(key);
    else this.#reports.set(key, report);
  }
}

/** What a hub must have by name where these are all of them. */
export const deviationsOf = (reports: Iterable<PolicyReport>): Deviations =>
  new ReportedNames().take({ full: true, policies: [...reports], removed: [] });
