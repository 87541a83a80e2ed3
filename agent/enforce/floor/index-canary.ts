import { CANARY_NAMESPACE, FIELD_MANAGERS, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { NAMESPACE_KIND } from '@fso/shared/kube';
import type { Action, ActionGovernance, NamespaceGovernance } from '../types.ts';

/** Nothing may run there, under a policy that exists in the index only. */
const DENY: ActionGovernance = { regions: [], policies: [`${SYSTEM_NAMESPACE}/${CANARY_NAMESPACE}`], revisions: ['-'] };

/** What the index says of {@link CANARY_NAMESPACE}; its labels say nothing. */
export const CANARY_GOVERNANCE: NamespaceGovernance = {
  namespace: CANARY_NAMESPACE,
  actions: { deny: DENY },
  policies: [],
  injection: false,
};

/** The namespace is made where it is missing. */
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
