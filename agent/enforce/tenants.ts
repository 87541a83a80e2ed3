import { parsePolicyKey } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { shortHash } from './labels.ts';
import type { PolicyInput, PolicyOutcome } from './types.ts';

/**
 * Whether a policy lies in the namespace that it governs. Users with rights on the policies of one
 * namespace may write only such policies (the guard refuses other targets). Their share of common
 * resources is limited, so that neither number nor size of their policies burdens others.
 */
export const isTenants = ({ managedBy, namespace, spec }: PolicyInput): boolean =>
  managedBy === 'local' && spec.targetNamespace === namespace;

/**
 * Whether the policy with this key lies in the namespace that it governs; see {@link isTenants}.
 */
export const isTenantsKey = (key: string, governed: string): boolean => parsePolicyKey(key).namespace === governed;

/** Most policies that a namespace may have of its own. */
export const MAX_OWN_POLICIES = 20;

const SHARDS = 16;

/**
 * Number of the constraint, among those of one region list, that holds a namespace's own policies.
 * One constraint per namespace would be too many, as every pod of the cluster waits for all of
 * them; a single one could be filled by one tenant.
 */
export const shardOf = (namespace: string): number => Number.parseInt(shortHash(namespace, 2), 16) % SHARDS;

const surplus = weakMemo(
  ({ namespace }: PolicyInput): PolicyOutcome => ({
    kind: 'invalid',
    surplus: true,
    message: `namespace ${namespace} has more than ${MAX_OWN_POLICIES} policies of its own; only the oldest ${MAX_OWN_POLICIES} apply`,
  }),
);

const isOlder = (a: PolicyInput, b: PolicyInput): number => byText(a.created ?? '', b.created ?? '') || byText(a.key, b.key);

/** Outcomes of a namespace's own policies beyond the oldest {@link MAX_OWN_POLICIES}, by key. */
export const findSurplus = (policies: readonly PolicyInput[]): ReadonlyMap<string, PolicyOutcome> => {
  const byNamespace = Map.groupBy(policies.filter(isTenants), ({ namespace }) => namespace);
  const beyond = [...byNamespace.values()]
    .filter(({ length }) => length > MAX_OWN_POLICIES)
    .flatMap((all) => all.toSorted(isOlder).slice(MAX_OWN_POLICIES));
  return new Map(beyond.map((policy) => [policy.key, surplus(policy)]));
};
