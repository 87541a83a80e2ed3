import { NamespaceName, ResourceName, type ViolationView } from '@fso/shared/api';
import { z } from 'zod';
import type { ListInput, Orders } from '../../http/paging.ts';
import { includesText, matches, PolicyKeyParameter } from '../../http/parameters.ts';

/** Object that a finding is about. */
type ObjectView = Pick<ViolationView, 'cluster' | 'namespace' | 'kind' | 'name'>;
type UnderPolicy = Pick<ViolationView, 'policy'>;
/** Fields by which a finding of any kind is known: its object, and one policy or more. */
type FindingView = ObjectView & (UnderPolicy | { readonly policies: readonly string[] });

const policiesOf = (view: FindingView): readonly string[] => ('policies' in view ? view.policies : [view.policy]);

/** A finding that an agent names, with its key among all of its kind. */
export interface NamedFinding<V> {
  readonly key: string;
  readonly view: V;
}

/** Findings of a policy in a cluster, each with its key. */
export const nameFindings = <F extends Omit<ObjectView, 'cluster'>, O extends Pick<ObjectView, 'cluster'> & UnderPolicy>(
  findings: readonly F[],
  of: O,
): readonly NamedFinding<F & O>[] =>
  findings.map((finding) => ({
    key: [of.cluster, of.policy, finding.namespace, finding.kind, finding.name].join('/'),
    view: { ...finding, ...of },
  }));

/** Parameters of every list of findings. @param object what it is about, as a noun */
export const findingParameters = (object: string, kinds: string) => ({
  cluster: ResourceName.optional(),
  policy: PolicyKeyParameter,
  namespace: NamespaceName.optional(),
  kind: z.string().min(1).max(63).optional().describe(kinds),
  name: z.string().min(1).max(253).optional().describe(`Of the ${object}.`),
});

const OBJECT_PARAMETERS = ['cluster', 'namespace', 'kind', 'name'] as const;

type FindingQuery = { readonly [P in (typeof OBJECT_PARAMETERS)[number] | 'policy' | 'q']?: string | undefined };

/** Whether a finding passes the filters that all have. @param more texts that `q` may be part of */
export const matchesFinding = (view: FindingView, query: FindingQuery, ...more: string[]): boolean =>
  OBJECT_PARAMETERS.every((field) => matches(query[field], view[field])) &&
  (query.policy === undefined || policiesOf(view).includes(query.policy)) &&
  [view.name, view.namespace, view.cluster, ...policiesOf(view), ...more].some((text) => includesText(text, query.q));

/** Orders that every list of findings has. */
export const objectOrders: Orders<NamedFinding<ObjectView>, 'cluster' | 'namespace' | 'name'> = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
  },
};

/** Orders of findings that are each under one policy. */
export const findingOrders: Orders<NamedFinding<ObjectView & UnderPolicy>, 'cluster' | 'policy' | 'namespace' | 'name'> = {
  ...objectOrders,
  by: { ...objectOrders.by, policy: ({ view }) => view.policy },
};

/** Key of the object that a finding is about. */
export const objectKey = ({ cluster, namespace, kind, name }: ObjectView): string => [cluster, namespace, kind, name].join('/');

/** Keys of the groups that a finding is in, where every kind of findings has such groups. */
export const GROUP_KEYS = {
  policy: policiesOf,
  cluster: ({ cluster }: ObjectView): readonly string[] => [cluster],
  namespace: ({ cluster, namespace }: ObjectView): readonly string[] => [`${cluster}/${namespace}`],
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
  readonly keysOf: (view: V) => readonly string[];
  readonly empty: () => T;
  readonly add: (sum: T, view: V) => void;
}

/** Adds up findings by their keys, in no order. @throws the signal's reason */
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
