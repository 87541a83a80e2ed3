import { isAsExpected, isShortReport, type PolicyReport } from '@fso/shared/api';
import { isUneventful } from '@fso/shared/status';
import { expect } from 'vitest';
import type { ClusterRecord, Ledger } from '../../hub/ledger/index.ts';
import { waitFor } from '../harness/waiting.ts';

/** State of a policy in the history, or that of a report in the same form. */
interface Said {
  readonly phase: string;
  readonly conforms: boolean;
  readonly violates: boolean;
}
const saidOf = (report: PolicyReport | undefined): Said | null => {
  if (report === undefined) return null;
  const conforms = isShortReport(report) ? isAsExpected(report) && report.phase !== 'Pending' : isUneventful(report);
  return { phase: report.phase, conforms, violates: report.violations > 0 };
};

/** Known state of each policy of a cluster, at a time that no later change shares. */
export type Moment = { readonly at: string; readonly known: ReadonlyMap<string, Said | null> };
export const noteMoment = async (hub: Ledger, cluster: string): Promise<Moment> => {
  const { policies } = (await hub.cluster(cluster)) as ClusterRecord;
  const at = new Date();
  await waitFor(() => expect(Date.now()).toBeGreaterThan(at.getTime()));
  return { at: at.toISOString(), known: new Map(KEYS.map((key) => [key, saidOf(policies.get(key))])) };
};

export const readHistory = async (hub: Ledger, cluster: string, at: string): Promise<Moment['known']> => {
  const known = new Map<string, Said | null>();
  for (const policy of KEYS) {
    const found = (await hub.policyStateAt({ cluster, policy, at })).policy?.value ?? null;
    known.set(policy, found && { phase: found.phase, conforms: found.conforms, violates: found.violates });
  }
  return known;
};

export const LOCAL = 'team-a/x';
export const NAMES = ['a', 'b', 'c', 'd', 'e'];
export const KEYS: readonly string[] = [...NAMES, LOCAL];
