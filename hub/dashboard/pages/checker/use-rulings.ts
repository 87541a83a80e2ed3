import { useQuery } from '@tanstack/react-query';
import { policiesOfNamespaceQuery, policyQuery } from '../../api/queries.ts';
import { combine, governanceOf, type NamespaceGovernance, type Ruling } from './judge.ts';

export interface Choice {
  readonly by: 'policy' | 'namespace' | 'regions';
  readonly policy?: string | undefined;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly regions?: string | undefined;
}

export type Rulings =
  /** Something has to be chosen first. */
  | { readonly state: 'open'; readonly ask: string }
  | { readonly state: 'loading' }
  | { readonly state: 'failed'; readonly error: Error; readonly retry: () => void }
  | { readonly state: 'known'; readonly rulings: readonly Ruling[]; readonly governance?: NamespaceGovernance };

/** Regions as people type them, between commas or spaces. */
export const regionsOfText = (text: string): readonly string[] => [...new Set(text.split(/[\s,]+/).filter((region) => region !== ''))];

const isPolicy = (text: string | undefined): text is string => /^[^/]+\/[^/]+$/.test(text ?? '');

const typed = (text = ''): Rulings => {
  const regions = regionsOfText(text);
  if (regions.length === 0) return { state: 'open', ask: 'Type the regions that are allowed.' };
  return { state: 'known', rulings: [{ action: 'deny', policies: [], regions }] };
};

interface Asked<T> {
  readonly data: T | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

const answered = <T>({ data, error, refetch }: Asked<T>, toRulings: (data: T) => Rulings): Rulings => {
  if (data !== undefined) return toRulings(data);
  return error === null ? { state: 'loading' } : { state: 'failed', error, retry: () => void refetch() };
};

/** What a workload is judged by. */
export const useRulings = ({ by, policy, cluster = '', namespace = '', regions }: Choice): Rulings => {
  const one = useQuery({ ...policyQuery(policy ?? ''), enabled: by === 'policy' && isPolicy(policy) });
  const all = useQuery({
    ...policiesOfNamespaceQuery(cluster, namespace),
    enabled: by === 'namespace' && cluster !== '' && namespace !== '',
  });
  if (by === 'regions') return typed(regions);
  if (by === 'policy') {
    if (!isPolicy(policy)) return { state: 'open', ask: 'Choose a policy: namespace/name.' };
    return answered(one, ({ enforcementAction: action, effectiveRegions }) => ({
      state: 'known',
      rulings: [{ action, policies: [policy], regions: effectiveRegions }],
    }));
  }
  if (cluster === '' || namespace === '') return { state: 'open', ask: 'Choose a cluster and type a namespace.' };
  return answered(all, (policies) => {
    const governance = governanceOf(policies, cluster, namespace);
    return { state: 'known', rulings: combine(governance.governing), governance };
  });
};
