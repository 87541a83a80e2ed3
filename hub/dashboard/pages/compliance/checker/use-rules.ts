import { type ClusterView, type PolicyView, policyKey } from '@fso/shared/api';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { isNotFound } from '../../../api/client.ts';
import { clustersQuery, policiesOfNamespaceQuery, policyQuery } from '../../../api/queries.ts';
import { expiryOf } from '../../../lib/health.ts';
import { rowsOf } from '../../../lib/paged-list.ts';
import { useNow } from '../../../lib/time.ts';
import { combine, gapsOf, governanceOf, type NamespaceGovernance, type RegionRule } from './decide.ts';

const MINUTE_MS = 60_000;

/** Selection of the rules to check by: a policy, a namespace, or typed regions. */
export interface RuleChoice {
  readonly by: 'policy' | 'namespace' | 'regions';
  readonly policy?: string | undefined;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly regions?: string | undefined;
}

/** Rules to check by, or why there are none. */
export type GoverningRules =
  /** The user must choose something first. */
  | { readonly state: 'open'; readonly ask: string }
  | { readonly state: 'loading' }
  | { readonly state: 'failed'; readonly error: Error; readonly retry: () => void }
  | {
      readonly state: 'known';
      readonly rules: readonly RegionRule[];
      readonly governance?: NamespaceGovernance;
      /** Keys of policies that would govern if they had not expired. */
      readonly expired: readonly string[];
      /** Reason why other policies may govern. */
      readonly gaps?: string | undefined;
    };

/** Splits typed text into regions, at commas and spaces. */
const regionsOfText = (text: string): readonly string[] => [...new Set(text.split(/[\s,]+/).filter((region) => region !== ''))];

const isPolicy = (text: string | undefined): text is string => /^[^/]+(\/[^/]+)?$/.test(text ?? '');

const typed = (text = ''): GoverningRules => {
  const regions = regionsOfText(text);
  if (regions.length === 0) return { state: 'open', ask: 'Enter the allowed regions.' };
  return { state: 'known', rules: [{ action: 'deny', policies: [], regions }], expired: [] };
};

interface PendingQuery<T> {
  readonly data: T | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

const answered = <T>({ data, error, refetch }: PendingQuery<T>, toRules: (data: T) => GoverningRules): GoverningRules => {
  if (data !== undefined) return toRules(data);
  return error === null ? { state: 'loading' } : { state: 'failed', error, retry: () => void refetch() };
};

const ofPolicy = (policy: PolicyView, nowMs: number): GoverningRules => {
  const { enforcementAction: action, effectiveRegions: regions, expiryDate } = policy;
  const policies = [policyKey(policy)];
  return expiryOf(expiryDate, nowMs) === 'past'
    ? { state: 'known', rules: [], expired: policies }
    : { state: 'known', rules: [{ action, policies, regions }], expired: [] };
};

const chosen = (policy: string | undefined, query: PendingQuery<PolicyView>, nowMs: number): GoverningRules => {
  if (!isPolicy(policy)) return { state: 'open', ask: 'Choose a policy.' };
  // Usually, its name is only partly typed.
  if (isNotFound(query.error)) return { state: 'open', ask: `There is no policy ${policy}.` };
  return answered(query, (found) => ofPolicy(found, nowMs));
};

interface NamespaceFacts {
  readonly policies: readonly PolicyView[];
  /** Undefined if there is no cluster with this name. */
  readonly cluster: ClusterView | undefined;
}

const useNamespace = (cluster: string, namespace: string, enabled: boolean): PendingQuery<NamespaceFacts> => {
  const policies = useQuery({ ...policiesOfNamespaceQuery(cluster, namespace), enabled });
  const clusters = useInfiniteQuery({ ...clustersQuery({ q: cluster, limit: 500 }), enabled });
  const isRead = policies.isSuccess && clusters.isSuccess;
  return {
    data: isRead ? { policies: policies.data, cluster: rowsOf(clusters.data).find(({ name }) => name === cluster) } : undefined,
    error: policies.error ?? clusters.error,
    refetch: () => Promise.all([policies.refetch(), clusters.refetch()]),
  };
};

/** Reads the rules that apply to a workload. */
export const useRules = ({ by, policy, cluster = '', namespace = '', regions }: RuleChoice): GoverningRules => {
  const now = useNow(MINUTE_MS);
  const one = useQuery({ ...policyQuery(policy ?? ''), enabled: by === 'policy' && isPolicy(policy) });
  const all = useNamespace(cluster, namespace, by === 'namespace' && cluster !== '' && namespace !== '');
  if (by === 'regions') return typed(regions);
  if (by === 'policy') return chosen(policy, one, now);
  if (cluster === '' || namespace === '') return { state: 'open', ask: 'Choose a cluster and enter a namespace.' };
  return answered(all, ({ policies, cluster: found }) => {
    const isConnected = found?.connection === 'Connected' && found.report !== null;
    const governance = governanceOf(policies, { cluster, namespace, isConnected });
    return { state: 'known', rules: combine(governance.governing), governance, expired: governance.expired, gaps: gapsOf(governance) };
  });
};
