import { policyKey, SovereignPolicySpec, type SovereignPolicySpecInput } from '@fso/shared/api';
import fc from 'fast-check';
import type { Action, NamespaceInput, PolicyInput } from '../types.ts';

/** Inputs for the tests of the plans. */

/** Time at which plans are made. */
export const NOW = new Date('2026-01-03T10:30:00Z');

/** Builds a policy that was applied in the namespace `team`. */
export const policyOf = (name: string, spec: SovereignPolicySpecInput, more: Partial<PolicyInput> = {}): PolicyInput => ({
  key: policyKey({ namespace: 'team', ...more, name }),
  namespace: 'team',
  name,
  managedBy: 'local',
  revision: undefined,
  generation: 1,
  spec: SovereignPolicySpec.parse(spec),
  deleting: false,
  ...more,
});

/** Builds a namespace without labels. */
export const namespaceOf = (name: string, more: Partial<NamespaceInput> = {}): NamespaceInput => ({
  name,
  terminating: false,
  labels: {},
  annotations: {},
  ...more,
});

const region = fc.constantFrom('eu-central-1', 'eu-west-1', 'us-east-1');
const target = fc.constantFrom('finance', 'payments', 'finance-*', '*-prod', '*', 'kube-system');

const spec: fc.Arbitrary<SovereignPolicySpecInput> = fc.record({
  targetNamespace: target,
  allowedRegions: fc.uniqueArray(region, { minLength: 1, maxLength: 3 }),
  enforcementAction: fc.constantFrom('deny', 'warn', 'dryrun'),
  excludedNamespaces: fc.uniqueArray(fc.constantFrom('finance', 'finance-test', 'web-*'), { maxLength: 2 }),
  placementInjection: fc.boolean(),
});

const deleting = fc.boolean();
/** Whether a policy is in the namespace that it governs. */
const own = fc.boolean();

/** A policy in the namespace that it governs. */
export const ownPolicyOf = (name: string, written: SovereignPolicySpecInput, more: Partial<PolicyInput> = {}): PolicyInput =>
  policyOf(name, written, { namespace: written.targetNamespace, ...more });

/** Policies with distinct names, in any order. */
export const anyPolicies: fc.Arbitrary<PolicyInput[]> = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), spec, deleting, own), { selector: ([name]) => name, maxLength: 5 })
  .map((drawn) => drawn.map(([name, drawnSpec, gone, isOwn]) => (isOwn ? ownPolicyOf : policyOf)(name, drawnSpec, { deleting: gone })));

/** Names of the namespaces of a cluster, with system namespaces. */
export const NAMESPACES: readonly string[] = [
  'finance',
  'finance-test',
  'payments',
  'web-prod',
  'kube-system',
  'federated-sovereignty-system',
];

/**
 * The namespaces after the actions, as server-side apply changes them for a manager that owns all
 * keys of this system.
 */
export const applyToNamespaces = (namespaces: readonly NamespaceInput[], actions: readonly Action[]): NamespaceInput[] =>
  namespaces.map((namespace) => {
    const action = actions.find(({ key }) => key === `Namespace/${namespace.name}`);
    if (action?.type !== 'apply') return namespace;
    const { labels = {}, annotations = {} } = action.body.metadata;
    return {
      ...namespace,
      labels: { ...foreign(namespace.labels), ...labels },
      annotations: { ...foreign(namespace.annotations), ...annotations },
    };
  });

/** Returns the labels or annotations of others than this system. */
export const foreign = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !key.startsWith('compliance.gov/')));
