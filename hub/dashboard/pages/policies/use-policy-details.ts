import {
  isAsExpected,
  isShortReport,
  type PolicyDetail,
  type PolicyInCluster,
  type PolicyReport,
  type PolicyView,
  policyKey,
} from '@fso/shared/api';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { policyDetailsQuery } from '../../api/queries.ts';

/** Clusters of a policy, with the responses of their agents. */
export interface PolicyDetails {
  /** Clusters of the policy, with the full report of each agent that has sent one. */
  readonly clusters: readonly PolicyInCluster[];
  /** Number of clusters of which only the last reported state is known. */
  readonly untold: number;
  /** Whether the agents are being asked for the first time. */
  readonly isAsking: boolean;
  /** Whether the request to the hub failed. */
  readonly isFailed: boolean;
}

const isShort = ({ report }: PolicyInCluster): boolean => report !== null && isShortReport(report);

const LOCKS = ['admission', 'gatekeeper', 'binding'] as const;

/**
 * Whether a full report describes the state that the row shows. If not, it is older. The row has no
 * commit if the hub does not know the list of the cluster, and no namespaces if the policy
 * deviates.
 */
const isOfRow = (told: PolicyReport, { report }: PolicyInCluster): boolean =>
  report !== null &&
  told.phase === report.phase &&
  told.violations === report.violations &&
  LOCKS.every((lock) => told.enforcement[lock].state === report.enforcement[lock].state) &&
  (report.revision === undefined || told.revision === report.revision) &&
  (!isAsExpected(report) || told.namespaces.length === report.namespaces.length);

/** Replaces short reports with the agents' full reports of the same state. */
export const mergeDetails = (clusters: readonly PolicyInCluster[], details: readonly PolicyDetail[]): PolicyInCluster[] => {
  const told = new Map(
    details.flatMap(({ cluster, source, report }) => (source === 'agent' && report ? [[cluster, report] as const] : [])),
  );
  return clusters.map((row) => {
    const report = told.get(row.cluster);
    return isShort(row) && report !== undefined && isOfRow(report, row) ? { ...row, report } : row;
  });
};

/**
 * Reads the full reports of the agents of a policy's first clusters, and merges them into the short
 * ones.
 */
export const usePolicyDetails = (policy: PolicyView): PolicyDetails => {
  const { data, isPending, isError } = useQuery(policyDetailsQuery(policyKey(policy)));
  return useMemo(() => {
    const clusters = mergeDetails(policy.clusters, data?.items ?? []);
    return { clusters, untold: clusters.filter(isShort).length, isAsking: isPending, isFailed: isError };
  }, [policy.clusters, data, isPending, isError]);
};
