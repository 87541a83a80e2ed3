import { CANARY_NAMESPACE, FINALIZER, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  isNotFound,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  type ObjectRef,
  refOf,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { eventually, never } from './waiting.ts';

export interface Target {
  readonly kind: KindDescriptor;
  readonly ref: ObjectRef;
}

const CRDS = ['sovereignpolicies.compliance.federated.io', 'floorparameters.compliance.federated.io'];
const ENFORCING: readonly KindDescriptor[] = [
  ADMISSION_POLICY_KIND,
  ADMISSION_POLICY_BINDING_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
];

const targets = (kind: KindDescriptor, ...names: readonly string[]): Target[] => names.map((name) => ({ kind, ref: { name } }));

/**
 * Objects that `fso-agent uninstall` removes and leaves in a cluster, as seen by its administrator.
 */
export class UninstallView {
  readonly #admin: KubeClient;

  constructor(admin: KubeClient) {
    this.#admin = admin;
  }

  /** Returns the names of the enforcing objects that are not being deleted. */
  async enforcing(): Promise<readonly string[]> {
    const found = await Promise.all(ENFORCING.map((kind) => this.#listed(kind)));
    return found.flat().flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [metadata.name] : []));
  }

  /** Returns the names of the policies with the agent's finalizer. */
  async held(): Promise<readonly string[]> {
    const policies = await this.#listed(SOVEREIGN_POLICY_KIND);
    return policies.flatMap(({ metadata }) => (metadata.finalizers?.includes(FINALIZER) ? [metadata.name] : []));
  }

  /** Returns all objects that an agent creates in a cluster, and the namespaces of its policies. */
  async targets(...governed: readonly string[]): Promise<readonly Target[]> {
    const kinds = [...ENFORCING, SOVEREIGN_POLICY_KIND];
    const made = await Promise.all(kinds.map(async (kind) => (await this.#listed(kind)).map((object) => ({ kind, ref: refOf(object) }))));
    return [
      ...made.flat(),
      ...targets(NAMESPACE_KIND, SYSTEM_NAMESPACE, CANARY_NAMESPACE, ...governed),
      ...targets(CRD_KIND, ...CRDS, 'k8sgeoresidency.constraints.gatekeeper.sh'),
    ];
  }

  /**
   * Deletes the objects that the removal leaves to the user, and waits until they are gone: nothing
   * may block that.
   */
  async clear(...governed: readonly string[]): Promise<void> {
    const left = [...targets(NAMESPACE_KIND, SYSTEM_NAMESPACE, CANARY_NAMESPACE, ...governed), ...targets(CRD_KIND, ...CRDS)];
    await Promise.all(left.map(({ kind, ref }) => this.#admin.delete(kind, ref, never)));
    for (const { kind, ref } of left) await eventually(async () => (await this.#admin.get(kind, ref, never)) === undefined);
  }

  /** Returns the objects of a kind; none if the kind is not served. */
  async #listed(kind: KindDescriptor): Promise<readonly KubeObject[]> {
    try {
      return await this.#admin.list(kind, {}, never);
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }
}
