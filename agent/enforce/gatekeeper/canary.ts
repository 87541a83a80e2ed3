import { CANARY_POLICY, LABELS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import type { Constraint, ConstraintSpec } from './kinds.ts';

/** Name of the constraint that refuses the canary's dry runs and nothing else. */
export const CANARY_NAME = 'geo-canary';

/** Marks the pods that the canary refuses. Only the agent sets it, in dry runs. */
export const CANARY_LABEL: Readonly<Record<string, string>> = { 'compliance.gov/canary': 'lock-two' };

/**
 * A constraint that refuses every pod with {@link CANARY_LABEL} in every namespace, because it
 * allows no region. The agent sends such a pod, which lock 1 admits, to find out whether Gatekeeper
 * is called for a namespace and evaluates Rego there.
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
