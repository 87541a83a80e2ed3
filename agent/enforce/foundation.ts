import { API_GROUP, FIELD_MANAGERS, type ObjectMeta } from '@fso/shared/api';
import { API_SERVICE_KIND, type ApiService, CRD_KIND, type CustomResourceDefinition } from '@fso/shared/kube';
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

/** Whether all requests for the group, also those of the API server itself, go to a service. */
export const isElsewhere = ({ metadata, spec }: ApiService): boolean =>
  OUR_API_SERVICES.includes(metadata.name) && spec?.service !== undefined && spec.service !== null;

/**
 * Plans to delete those that point elsewhere: the API server creates them again, as its own.
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

type Version = Pick<ObjectMeta, 'uid' | 'generation'>;

/** What the API server answered to the last write of each CRD, by its name. */
export type AppliedDefinitions = ReadonlyMap<string, Version>;

interface DefinitionsInput {
  readonly desired: readonly CustomResourceDefinition[];
  observed(name: string): CustomResourceDefinition | undefined;
  readonly applied: AppliedDefinitions;
}

/**
 * Writes the CRDs of this system whose spec is not the one that the last write left. What a schema no longer has, the API server
 * drops from every object of the kind, on reads too, and says nothing.
 *
 * The API server counts the changes of a spec (`metadata.generation`), so that its defaulting need not be known here. A CRD
 * that is being deleted accepts a write and still goes: it is created again once it is gone.
 */
export const planDefinitions = ({ desired, observed, applied }: DefinitionsInput): Action[] =>
  desired.flatMap((body) => {
    const { name } = body.metadata;
    const live = observed(name);
    if (live !== undefined && (live.metadata.deletionTimestamp !== undefined || isSameVersion(live.metadata, applied.get(name)))) return [];
    return {
      type: 'apply',
      key: `${CRD_KIND.kind}/${name}`,
      kind: CRD_KIND,
      body,
      fieldManager: FIELD_MANAGERS.install,
      reason: live === undefined ? 'Install' : 'Drift',
      policies: [],
    };
  });

const isSameVersion = (live: Version, written: Version | undefined): boolean =>
  written !== undefined && live.uid === written.uid && live.generation === written.generation;
