import { API_GROUP, FIELD_MANAGERS, type KubeObject, type ObjectMeta, SCHEMA_VERSION_ANNOTATION } from '@fso/shared/api';
import { API_SERVICE_KIND, type ApiService, CRD_KIND, type CustomResourceDefinition, type KindDescriptor } from '@fso/shared/kube';
import type { Action } from './types.ts';

/** Name of the APIService that serves SovereignPolicies. */
export const POLICY_API: string = `v1.${API_GROUP}`;

/**
 * API groups of the policies and of the kinds that the locks rely on. `fso-guard-definitions`
 * guards them.
 */
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

/**
 * Whether the APIService sends all requests for its group, even the API server's own, to a service.
 */
export const isRedirected = ({ metadata, spec }: ApiService): boolean =>
  OUR_API_SERVICES.includes(metadata.name) && spec?.service !== undefined && spec.service !== null;

/**
 * Plans to delete APIServices that point to a service. The API server recreates them for itself.
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

type Version = Pick<ObjectMeta, 'uid' | 'generation' | 'annotations'>;

interface DefinitionsInput {
  readonly desired: readonly CustomResourceDefinition[];
  observed(name: string): CustomResourceDefinition | undefined;
  readonly settled: Pick<SettledDefinitions, 'get'>;
}

/**
 * Plans to write the CRDs of this system that changed since they were settled. For a field that a
 * schema no longer has, the API server silently drops the values from every object of the kind,
 * even on reads.
 *
 * A change is recognized by `metadata.generation`, so this code need not know the API server's
 * defaults. A CRD that is being deleted is not written, as that would not save it: it is created
 * again once it is gone.
 */
export const planDefinitions = ({ desired, observed, settled }: DefinitionsInput): Action[] =>
  desired.flatMap((body) => {
    const { name } = body.metadata;
    const live = observed(name);
    if (live?.metadata.deletionTimestamp !== undefined) return [];
    if (live !== undefined && isReadable(live) && isSameVersion(live.metadata, settled.get(name))) return [];
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

/** Whether a CRD could be decoded; see agent/cache/decode.ts. If not, it counts as not in force. */
const isReadable = ({ malformed }: CustomResourceDefinition & { readonly malformed?: string }): boolean => malformed === undefined;

const isSameVersion = (live: Version, settled: Version | undefined): boolean =>
  settled !== undefined &&
  live.uid === settled.uid &&
  live.generation === settled.generation &&
  schemaVersion(live) === schemaVersion(settled);

const schemaVersion = ({ annotations }: Pick<Version, 'annotations'>): number => Number(annotations?.[SCHEMA_VERSION_ANNOTATION] ?? 0);

/**
 * Versions of this system's CRDs that need no write: as last written, or of a newer schema that
 * this agent accepted when it took over.
 */
export class SettledDefinitions {
  readonly #written = new Map<string, Version>();
  /** undefined until the agent takes over. */
  #accepted: ReadonlyMap<string, Version> | undefined;

  /** Metadata of a CRD as it was settled. */
  get(name: string): Version | undefined {
    return this.#written.get(name) ?? this.#accepted?.get(name);
  }

  recordWrite({ metadata }: KubeObject): void {
    this.#written.set(metadata.name, metadata);
  }

  /** Causes the CRD of a kind to be written again, unless its newer schema was accepted. */
  forgetWrite({ plural }: Pick<KindDescriptor, 'plural'>): void {
    this.#written.delete(`${plural}.${API_GROUP}`);
  }

  /**
   * Accepts, on the first call, CRDs that have a newer schema, as after a rollback. They accept all
   * that this version writes, while its own schemas would drop their fields. A later change is
   * treated as drift, since only a leader writes schemas.
   *
   * @returns the sentence that reports them; undefined if there are none
   */
  takeOver({ desired, observed }: Omit<DefinitionsInput, 'settled'>): string | undefined {
    if (this.#accepted !== undefined) return undefined;
    const newer = desired.flatMap((body) => {
      const live = observed(body.metadata.name);
      return live !== undefined && schemaVersion(live.metadata) > schemaVersion(body.metadata) ? [{ live, body }] : [];
    });
    this.#accepted = new Map(newer.map(({ live }) => [live.metadata.name, live.metadata]));
    if (newer.length === 0) return undefined;
    const names = newer.map(
      ({ live, body }) => `${body.metadata.name} (${schemaVersion(live.metadata)}, not ${schemaVersion(body.metadata)})`,
    );
    return `the schemas of a newer version stay as they are, and this agent goes on with them: ${names.join(', ')}`;
  }
}
