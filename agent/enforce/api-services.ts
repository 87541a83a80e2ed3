import { API_GROUP } from '@fso/shared/api';
import { API_SERVICE_KIND, type ApiService } from '@fso/shared/kube';
import type { Action } from './types.ts';

export const POLICY_API: string = `v1.${API_GROUP}`;

/** What the locks are read from and stand on: the groups that `fso-guard-definitions` guards. */
export const OUR_API_SERVICES: readonly string[] = [
  POLICY_API,
  'v1.admissionregistration.k8s.io',
  'v1.apiextensions.k8s.io',
  'v1.templates.gatekeeper.sh',
  'v1alpha1.templates.gatekeeper.sh',
  'v1beta1.constraints.gatekeeper.sh',
  'v1beta1.status.gatekeeper.sh',
  'v1beta1.templates.gatekeeper.sh',
];

/** Whether every request for the group goes to a service of somebody's, the API server's own requests included. */
export const isElsewhere = ({ metadata, spec }: ApiService): boolean =>
  OUR_API_SERVICES.includes(metadata.name) && spec?.service !== undefined && spec.service !== null;

/**
 * Deletes those that point elsewhere: the API server makes them again, as its own.
 *
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
export const planApiServices = (observed: readonly ApiService[]): Action[] =>
  observed.filter(isElsewhere).map(({ metadata: { name } }) => ({
    type: 'delete',
    key: `${API_SERVICE_KIND.kind}/${name}`,
    kind: API_SERVICE_KIND,
    ref: { name },
    reason: 'Drift',
    policies: [],
  }));
