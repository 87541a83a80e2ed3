import { NamespaceName, ResourceName, type ViolationView } from '@fso/shared/api';
import { z } from 'zod';
import type { ListInput, Orders } from '../../http/paging.ts';
import { includesText, matches, PolicyKeyParameter } from '../../http/parameters.ts';

/** Object that a finding concerns. */
type ObjectView = Pick<ViolationView, 'cluster' | 'namespace' | 'kind' | 'name'>;
type UnderPolicy = Pick<ViolationView, 'policy'>;
/** Fields that identify a finding of any kind: its object, and one or more policies. */
type FindingView = ObjectView & (UnderPolicy | { readonly policies: readonly string[] });

const policiesOf = (view: FindingView): readonly string[] => ('policies' in view ? view.policies : [view.policy]);

/** Finding that an agent reports by name, with a key that is unique within its kind. */
export interface NamedFinding<V> {
  readonly key: string;
  readonly view: V;
}

/** Adds keys to the findings of a policy in a cluster. */
export const nameFindings = <F extends Omit<ObjectView, 'cluster'>, O extends Pick<ObjectView, 'cluster'> & UnderPolicy>(
  findings: readonly F[],
  of: O,
): readonly NamedFinding<F & O>[] =>
  findings.map((finding) => ({
    key: [of.cluster, of.policy, finding.namespace, finding.kind, finding.name].join('/'),
    view: { ...finding, ...of },
  }));

/** Parameters of all lists of findings. @param object noun for the object of a finding */
export const findingParameters = (object: string, kinds: string) => ({
  cluster: ResourceName.optional(),
  policy: PolicyKeyParameter,
  namespace: NamespaceName.optional(),
  kind: z.string().min(1).max(63).optional().describe(kinds),
  name: z.string().min(1).max(253).optional().describe(`Of the ${object}.`),
});

const OBJECT_PARAMETERS = ['cluster', 'namespace', 'kind', 'name'] as const;

type FindingQuery = { readonly [P in (typeof OBJECT_PARAMETERS)[number] | 'policy' | 'q']?: string | undefined };

/**
 * Whether a finding matches the common filters.
 *
 * @param more further texts in which `q` may occur
 */
export const matchesFinding = (view: FindingView, query: FindingQuery, ...more: string[]): boolean =>
  OBJECT_PARAMETERS.every((field) => matches(query[field], view[field])) &&
  (query.policy === undefined || policiesOf(view).includes(query.policy)) &&
  [view.name, view.namespace, view.cluster, ...policiesOf(view), ...more].some((text) => includesText(text, query.q));

/** Sort orders of all lists of findings. */
export const objectOrders: Orders<NamedFinding<ObjectView>, 'cluster' | 'namespace' | 'name'> = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
  },
};

/** Sort orders of findings with exactly one policy. */
export const findingOrders: Orders<NamedFinding<ObjectView & UnderPolicy>, 'cluster' | 'policy' | 'namespace' | 'name'> = {
  ...objectOrders,
  by: { ...objectOrders.by, policy: ({ view }) => view.policy },
};

/** Key of the object that a finding concerns. */
export const objectKey = ({ cluster, namespace, kind, name }: ObjectView): string => [cluster, namespace, kind, name].join('/');

/** Functions for the keys of the groups of a finding that are common to all kinds. */
export const GROUP_KEYS = {
  policy: policiesOf,
  cluster: ({ cluster }: ObjectView): readonly string[] => [cluster],
  namespace: ({ cluster, namespace }: ObjectView): readonly string[] => [`${cluster}/${namespace}`],
};

/** Named findings with one key. */
export interface FindingGroup<T> {
  readonly key: string;
  /** Sum of the values that the kind counts. */
  readonly sum: T;
  readonly policies: Set<string>;
  readonly clusters: Set<string>;
}

interface Grouping<V, T> {
  /** Keys of groups that exist even without named findings. */
  readonly keys: Iterable<string>;
  readonly keysOf: (view: V) => readonly string[];
  readonly empty: () => T;
  readonly add: (sum: T, view: V) => void;
}

/** Sums findings by key, in no order. @throws the signal's reason */
export const groupFindings = async <V extends FindingView, T>(
  findings: readonly NamedFinding<V>[],
  { keys, keysOf, empty, add }: Grouping<V, T>,
  { work, signal }: ListInput,
): Promise<FindingGroup<T>[]> => {
  const groups = new Map<string, FindingGroup<T>>();
  const at = (key: string): FindingGroup<T> => {
    const group = groups.get(key) ?? { key, sum: empty(), policies: new Set(), clusters: new Set() };
    groups.set(key, group);
    return group;
  };
  for (const key of keys) at(key);
  const take = ({ view }: NamedFinding<V>): void => {
    for (const key of keysOf(view)) {
      const group = at(key);
      add(group.sum, view);
      for (const policy of policiesOf(view)) group.policies.add(policy);
      group.clusters.add(view.cluster);
    }
  };
  await work.each(findings, take, signal);
  return [...groups.values()];
};
