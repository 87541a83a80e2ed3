import { CANARY_POLICY, LABELS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import type { Constraint, ConstraintSpec } from './kinds.ts';

/** Name of the constraint that refuses only the canary's dry runs. */
export const CANARY_NAME = 'geo-canary';

/** Label of the pods that the canary refuses. Only the agent sets it, in dry runs. */
export const CANARY_LABEL: Readonly<Record<string, string>> = { 'compliance.gov/canary': 'lock-two' };

/**
 * Builds the canary: a constraint that allows no region, and so refuses every pod with
 * {@link CANARY_LABEL} in every namespace. The agent sends such a pod, which lock 1 admits, to find
 * out whether the API server calls Gatekeeper for a namespace and Gatekeeper evaluates Rego there.
 */
export const canaryBody = (): Constraint => BODY;

const SPEC: ConstraintSpec = {
  enforcementAction: 'deny',
  match: { kinds: [{ apiGroups: [''], kinds: ['Pod'] }], labelSelector: { matchLabels: CANARY_LABEL } },
  parameters: { regions: [], policies: [`${CANARY_POLICY} *`] },
};

const BODY: Constraint = {
  apiVersion: GEO_RESIDENCY_KIND.apiVersion,
  kind: GEO_RESIDENCY_KIND.kind,
  metadata: { name: CANARY_NAME, labels: { [LABELS.component]: 'canary' } },
  spec: SPEC as NonNullable<Constraint['spec']>,
};

/** Whether a refusal names the canary; Gatekeeper writes `[<constraint>] <message>`. */
export const isRefusedByCanary = (message: string): boolean => message.includes(`[${CANARY_NAME}]`);
