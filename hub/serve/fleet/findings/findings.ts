import { NamespaceName, ResourceName, type ViolationView } from '@fso/shared/api';
import { z } from 'zod';
import type { ListInput, Orders } from '../../http/paging.ts';
import { includesText, matches, PolicyName } from '../../http/parameters.ts';

/** Fields by which a finding of any kind is known: it is about an object, under a policy. */
type FindingView = Pick<ViolationView, 'cluster' | 'policy' | 'namespace' | 'kind' | 'name'>;

/** A finding that an agent names, with its key among all of its kind. */
export interface Named<V> {
  readonly key: string;
  readonly view: V;
}

/** Findings of a policy in a cluster, each with its key. */
export const nameFindings = <F extends Omit<FindingView, 'cluster' | 'policy'>, O extends Pick<FindingView, 'cluster' | 'policy'>>(
  findings: readonly F[],
  of: O,
): readonly Named<F & O>[] =>
  findings.map((finding) => ({
    key: [of.cluster, of.policy, finding.namespace, finding.kind, finding.name].join('/'),
    view: { ...finding, ...of },
  }));

/** Parameters of every list of findings. @param object what it is about, as a noun */
export const findingParameters = (object: string, kinds: string) => ({
  cluster: ResourceName.optional(),
  policy: PolicyName,
  namespace: NamespaceName.optional(),
  kind: z.string().min(1).max(63).optional().describe(kinds),
  name: z.string().min(1).max(253).optional().describe(`Of the ${object}.`),
});

const PARAMETERS = ['cluster', 'policy', 'namespace', 'kind', 'name'] as const;

type FindingQuery = { readonly [P in (typeof PARAMETERS)[number] | 'q']?: string | undefined };

/** Whether a finding passes the filters that all have. @param more texts that `q` may be part of */
export const matchesFinding = (view: FindingView, query: FindingQuery, ...more: string[]): boolean =>
  PARAMETERS.every((field) => matches(query[field], view[field])) &&
  [view.name, view.namespace, view.cluster, view.policy, ...more].some((text) => includesText(text, query.q));

type FindingOrders = Orders<Named<FindingView>, 'cluster' | 'policy' | 'namespace' | 'name'>;

/** Orders that every list of findings has. */
export const findingOrders: FindingOrders = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    policy: ({ view }) => view.policy,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
  },
};

/** Key of the object that a finding is about. */
export const objectKey = ({ cluster, namespace, kind, name }: Omit<FindingView, 'policy'>): string =>
  [cluster, namespace, kind, name].join('/');

/** Keys of the groups that every kind of findings has. */
export const GROUP_KEYS = {
  policy: ({ policy }: FindingView): string => policy,
  cluster: ({ cluster }: FindingView): string => cluster,
  namespace: ({ cluster, namespace }: FindingView): string => `${cluster}/${namespace}`,
};

/** Named findings with one key. */
export interface FindingGroup<T> {
  readonly key: string;
  /** Sum of what its kind counts. */
  readonly sum: T;
  readonly policies: Set<string>;
  readonly clusters: Set<string>;
}

interface Grouping<V, T> {
  /** Groups that are there with nothing named, too. */
  readonly keys: Iterable<string>;
  readonly keyOf: (view: V) => string;
  readonly empty: () => T;
  readonly add: (sum: T, view: V) => void;
}

/** Adds up findings by their keys, in no order. @throws the signal's reason */
export const groupFindings = async <V extends FindingView, T>(
  findings: readonly Named<V>[],
  { keys, keyOf, empty, add }: Grouping<V, T>,
  { work, signal }: ListInput,
): Promise<FindingGroup<T>[]> => {
  const groups = new Map<string, FindingGroup<T>>();
  const at = (key: string): FindingGroup<T> => {
    const group = groups.get(key) ?? { key, sum: empty(), policies: new Set(), clusters: new Set() };
    groups.set(key, group);
    return group;
  };
  for (const key of keys) at(key);
  const take = ({ view }: Named<V>): void => {
    const group = at(keyOf(view));
    add(group.sum, view);
    group.policies.add(view.policy);
    group.clusters.add(view.cluster);
  };
  await work.each(findings, take, signal);
  return [...groups.values()];
};
