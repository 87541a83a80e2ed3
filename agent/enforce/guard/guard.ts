import { LABELS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '@fso/shared/kube';
import { weakMemo } from '@fso/shared/runtime';
import { type MatchCondition, planAdmissionObjects } from '../admission-policies.ts';
import type { Action, Trust } from '../types.ts';
import { IS_PROBE, isNotAgent } from './guard-cel.ts';
import { GUARD_PREFIX, type Guard, guards, isGuardName } from './guards.ts';
/** Name of the condition that exempts the agent from a guard. */
export const NOT_THE_AGENT = 'not-the-agent';

/**
 * Condition that exempts the agent. Each further part names requests of the agent that are judged
 * all the same.
 */
const exemptsAgent = (trust: Trust, judged: readonly (string | undefined)[]): string =>
  [isNotAgent(trust), ...judged.filter((expression) => expression !== undefined).map((expression) => `(${expression})`)].join(' || ');

/** Expressions of {@link NOT_THE_AGENT}: this version's first, then those of older versions. */
export const agentExemptions = ({ judgesAgent, probe }: Guard, trust: Trust): readonly string[] => [
  exemptsAgent(trust, [judgesAgent, probe && IS_PROBE]),
  exemptsAgent(trust, [judgesAgent]),
  exemptsAgent(trust, []),
];

const conditionsOf = (guard: Guard, trust: Trust): readonly MatchCondition[] =>
  // The guard of nodes has its own list of trusted users, without the agent.
  Object.entries({
    ...(guard.name === `${GUARD_PREFIX}nodes` ? {} : { [NOT_THE_AGENT]: agentExemptions(guard, trust)[0] ?? '' }),
    ...guard.conditions,
  }).map(([name, expression]) => ({ name, expression }));

/**
 * Writes every field that could open the guard, even with its default value, so that a change to it
 * shows as drift.
 */
const policyOf = (guard: Guard, trust: Trust): ValidatingAdmissionPolicy => ({
  apiVersion: ADMISSION_POLICY_KIND.apiVersion,
  kind: ADMISSION_POLICY_KIND.kind,
  metadata: { name: guard.name, labels: { [LABELS.component]: 'guard' } },
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      resourceRules: guard.rules.map((rule) => ({ ...rule, apiVersions: ['*'], scope: '*' })),
      excludeResourceRules: [],
    },
    matchConditions: conditionsOf(guard, trust),
    variables: guard.variables ?? [],
    validations: guard.validations.map((validation) => ({ ...validation, reason: 'Forbidden' })),
  },
});

const bindingOf = ({ name, namespace }: Guard): ValidatingAdmissionPolicyBinding => ({
  apiVersion: ADMISSION_POLICY_BINDING_KIND.apiVersion,
  kind: ADMISSION_POLICY_BINDING_KIND.kind,
  metadata: { name, labels: { [LABELS.component]: 'guard' } },
  spec: {
    policyName: name,
    validationActions: ['Deny', 'Audit'],
    matchResources: {
      matchPolicy: 'Equivalent',
      namespaceSelector: namespace === undefined ? {} : { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      objectSelector: {},
      resourceRules: [],
      excludeResourceRules: [],
    },
  },
});

const desired = weakMemo((trust: Trust) => ({
  policies: guards(trust).map((guard) => policyOf(guard, trust)),
  bindings: guards(trust).map(bindingOf),
}));

/**
 * ValidatingAdmissionPolicies that let only the agent change what the locks rely on, each with one
 * binding of its name.
 */
export const desiredGuard = (trust: Trust): { policies: ValidatingAdmissionPolicy[]; bindings: ValidatingAdmissionPolicyBinding[] } =>
  desired(trust);

/**
 * Plans the writes that make the guard equal to {@link desiredGuard}.
 *
 * @param policies every ValidatingAdmissionPolicy of the cluster, or those labelled as this
 * system's
 * @param bindings likewise
 */
export const planGuard = (
  policies: readonly ValidatingAdmissionPolicy[],
  bindings: readonly ValidatingAdmissionPolicyBinding[],
  trust: Trust,
): Action[] =>
  planAdmissionObjects({
    policies: { kind: ADMISSION_POLICY_KIND, desired: desired(trust).policies, observed: policies },
    bindings: { kind: ADMISSION_POLICY_BINDING_KIND, desired: desired(trust).bindings, observed: bindings },
    isOurs: isGuardName,
  });
