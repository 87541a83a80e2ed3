import { API_GROUP, FIELD_MANAGERS, type KubeObject, type ObjectMeta, SCHEMA_VERSION_ANNOTATION } from '@fso/shared/api';
import { API_SERVICE_KIND, type ApiService, CRD_KIND, type CustomResourceDefinition } from '@fso/shared/kube';
import type { Action } from './types.ts';

export const POLICY_API: string = `v1.${API_GROUP}`;

/** API groups that the policies are read from and that the locks rely on; `fso-guard-definitions` guards them. */
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

/** Whether all requests for the group, even the API server's own, go to a service. */
export const isRedirected = ({ metadata, spec }: ApiService): boolean =>
  OUR_API_SERVICES.includes(metadata.name) && spec?.service !== undefined && spec.service !== null;

/**
 * Plans to delete APIServices that point to a service: the API server creates them again, as its own.
 *
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
export const planApiServices = (observed: readonly ApiService[]): Action[] =>
  observed.filter(isRedirected).map(({ metadata: { name } }) => ({
    type: 'delete',
    key: `${API_SERVICE_KIND.kind}/${name}`,
    kind: API_SERVICE_KIND,
    ref: { name },
    reason: 'Drift',
    policies: [],
  }));

type Version = Pick<ObjectMeta, 'uid' | 'generation'>;

/** Version of each CRD in the response to its last write, by name. */
export type AppliedDefinitions = ReadonlyMap<string, Version>;

interface DefinitionsInput {
  readonly desired: readonly CustomResourceDefinition[];
  observed(name: string): CustomResourceDefinition | undefined;
  readonly applied: AppliedDefinitions;
}

/**
 * Plans to write the CRDs of this system whose spec changed since the last write. The API server silently drops fields that a
 * schema no longer has from every object of the kind, also when it reads them.
 *
 * The API server counts the changes of a spec (`metadata.generation`), so this code need not know its defaults. A CRD that is
 * being deleted accepts a write and still goes: it is created again once it is gone.
 *
 * A newer version's schema stays after a rollback: it takes all that this version writes, and this one's would drop its fields.
 */
export const planDefinitions = ({ desired, observed, applied }: DefinitionsInput): Action[] =>
  desired.flatMap((body) => {
    const { name } = body.metadata;
    const live = observed(name);
    if (live !== undefined && (isNewer(live, body) || live.metadata.deletionTimestamp !== undefined)) return [];
    if (live !== undefined && isSameVersion(live.metadata, applied.get(name))) return [];
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

const schemaVersion = ({ metadata }: KubeObject): number => Number(metadata.annotations?.[SCHEMA_VERSION_ANNOTATION] ?? 0);

const isNewer = (live: KubeObject, body: KubeObject): boolean => schemaVersion(live) > schemaVersion(body);

/** The CRDs of this system whose schema is that of a newer version, with the sentence that reports them; undefined: there are none. */
export const findNewerDefinitions = ({ desired, observed }: Omit<DefinitionsInput, 'applied'>): string | undefined => {
  const newer = desired.flatMap((body) => {
    const live = observed(body.metadata.name);
    return live !== undefined && isNewer(live, body) ? [`${body.metadata.name} (${schemaVersion(live)}, not ${schemaVersion(body)})`] : [];
  });
  return newer.length === 0
    ? undefined
    : `the schemas of a newer version stay as they are, and this agent goes on with them: ${newer.join(', ')}`;
};
