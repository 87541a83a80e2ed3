import { isShortReport, type PolicyReport } from '@fso/shared/api';
import type { ClusterRecord } from './types.ts';

/** Values by a key, held as long as others hold them. */
class WeakValues<V extends object> {
  readonly #known = new Map<string, WeakRef<V>>();
  readonly #gone: FinalizationRegistry<string> = new FinalizationRegistry((key) => {
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  get(key: string): V | undefined {
    return this.#known.get(key)?.deref();
  }

  set(key: string, value: V): void {
    this.#known.set(key, new WeakRef(value));
    this.#gone.register(value, key);
  }
}

/** By their JSON. */
const reports = new WeakValues<PolicyReport>();

/** @returns one object for all short reports that say the same, in whichever cluster; any other report as it is */
export const internReport = (report: PolicyReport): PolicyReport => {
  if (!isShortReport(report)) return report;
  const key = JSON.stringify(report);
  const known = reports.get(key);
  if (known !== undefined) return known;
  reports.set(key, report);
  return report;
};

type Policies = ClusterRecord['policies'];

/** By their digest. */
const sets = new WeakValues<Policies>();

/** Not by the digest: a cluster could make up reports that have the digest of another one's. */
const isSame = (a: Policies, b: Policies): boolean => a.size === b.size && [...a].every(([key, report]) => b.get(key) === report);

/** @returns one map for all clusters with the same policies that say the same. @param digest see digestOfReports */
export const internPolicies = (digest: string, policies: Policies): Policies => {
  const known = sets.get(digest);
  if (known !== undefined && isSame(known, policies)) return known;
  sets.set(digest, policies);
  return policies;
};
