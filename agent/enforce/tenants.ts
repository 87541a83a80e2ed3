import { byText } from '@fso/shared/encoding';
import { weakMemo } from '../compare.ts';
import { shortHash } from './labels.ts';
import type { PolicyInput, PolicyOutcome } from './types.ts';

/**
 * Policies that a namespace has for itself. Whoever has rights on the policies of one namespace may write those and no others (the guard
 * refuses a target elsewhere), so what they take of what all share is bounded: neither their number nor their text may be a burden to others.
 */
export const isTenants = ({ managedBy, namespace, spec }: PolicyInput): boolean =>
  managedBy === 'local' && spec.targetNamespace === namespace;

/** The same of a policy by its key, seen from the namespace that it governs. */
export const isTenantsKey = (key: string, governed: string): boolean => key.startsWith(`${governed}/`);

/** Policies that a namespace may have for itself. */
export const MAX_OWN_POLICIES = 20;

const SHARDS = 16;

/**
 * Which of the constraints for one region list a namespace's own policies are in. One for each namespace would make as many constraints,
 * which every pod of the cluster waits for; one for all could be filled up.
 */
export const shardOf = (namespace: string): number => Number.parseInt(shortHash(namespace, 2), 16) % SHARDS;

const surplus = weakMemo(
  ({ namespace }: PolicyInput): PolicyOutcome => ({
    kind: 'invalid',
    surplus: true,
    message: `namespace ${namespace} has more than ${MAX_OWN_POLICIES} policies for itself; the oldest ${MAX_OWN_POLICIES} are honoured`,
  }),
);

const isOlder = (a: PolicyInput, b: PolicyInput): number => byText(a.created ?? '', b.created ?? '') || byText(a.key, b.key);

/** Outcomes of the policies beyond the oldest {@link MAX_OWN_POLICIES} that their namespace has for itself, by key. */
export const findSurplus = (policies: readonly PolicyInput[]): ReadonlyMap<string, PolicyOutcome> => {
  const byNamespace = Map.groupBy(policies.filter(isTenants), ({ namespace }) => namespace);
  const beyond = [...byNamespace.values()]
    .filter(({ length }) => length > MAX_OWN_POLICIES)
    .flatMap((all) => all.toSorted(isOlder).slice(MAX_OWN_POLICIES));
  return new Map(beyond.map((policy) => [policy.key, surplus(policy)]));
};
