import type { PolicyChange, PolicyReport } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { ClusterRecord } from '../../ledger/types.ts';

/** Names at most this many policies of a change; beyond it a reader does better to read the list. */
const MAX_NAMED = 500;

export type PolicyDiff = (clusters: readonly ClusterRecord[]) => PolicyChange[];

type Reports = ClusterRecord['policies'];

const changedKeys = (before: Reports, now: Reports): string[] => {
  const differs = (key: string, report: PolicyReport): boolean => before.get(key) !== report;
  const changed = [...now].filter(([key, report]) => differs(key, report)).map(([key]) => key);
  const gone = [...before.keys()].filter((key) => !now.has(key));
  return [...changed, ...gone].sort(byText);
};

/**
 * Which policies read differently since the last call, by identity of their reports: a ledger that hands out new but
 * equal reports only makes readers read again. A connection that came or went touches every policy of its cluster.
 */
export const createPolicyDiff = (): PolicyDiff => {
  const last = new Map<string, Pick<ClusterRecord, 'policies' | 'connected'>>();
  const diffOf = (record: ClusterRecord): PolicyChange[] => {
    const before = last.get(record.name);
    last.set(record.name, { policies: record.policies, connected: record.connected });
    if (before !== undefined && before.connected !== record.connected) return [{ cluster: record.name, policies: null }];
    const keys = changedKeys(before?.policies ?? new Map(), record.policies);
    if (keys.length === 0) return [];
    return [{ cluster: record.name, policies: keys.length > MAX_NAMED ? null : keys }];
  };
  return (clusters) => clusters.flatMap(diffOf);
};
