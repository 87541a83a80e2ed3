import { CANARY_NAMESPACE, CANARY_POLICY, FIELD_MANAGERS, type KubeObject } from '@fso/shared/api';
import { NAMESPACE_KIND } from '@fso/shared/kube';
import type { Action, ActionGovernance, NamespaceGovernance } from '../types.ts';

/** Denies every region, for a policy that exists only in the index. */
const DENY: ActionGovernance = { regions: [], policies: [CANARY_POLICY], revisions: ['-'] };

/** Entry of {@link CANARY_NAMESPACE} in the index; the namespace has no labels of this system. */
export const CANARY_GOVERNANCE: NamespaceGovernance = {
  namespace: CANARY_NAMESPACE,
  actions: { deny: DENY },
  policies: [],
  injection: false,
};

/** Plans to create the namespace if it is missing. */
export const planCanaryNamespace = (observed: KubeObject | undefined): Action[] => {
  if (observed !== undefined) return [];
  const { apiVersion, kind } = NAMESPACE_KIND;
  const body = { apiVersion, kind, metadata: { name: CANARY_NAMESPACE } };
  return [
    {
      type: 'apply',
      key: `${kind}/${CANARY_NAMESPACE}`,
      kind: NAMESPACE_KIND,
      body,
      fieldManager: FIELD_MANAGERS.install,
      reason: 'Install',
      policies: [],
    },
  ];
};
