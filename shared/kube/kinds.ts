import { API_VERSION, type FloorParameters, type KubeObject, type SovereignPolicy } from '../api/index.ts';
import type { PlacementSpec } from '../residency/index.ts';
import type { KindDescriptor } from './types.ts';

/** Kinds that this system reads or writes, reduced to the fields that it uses. */

/** Namespace, as far as this system reads it; so are all kinds below. */
export interface Namespace extends KubeObject {
  status?: { phase?: string };
}

export interface Node extends KubeObject {
  spec?: {
    unschedulable?: boolean | null;
    providerID?: string;
    taints?: { key: string; value?: string | null; effect: string }[] | null;
  };
}

export interface Pod extends KubeObject {
  spec: PlacementSpec & {
    containers: { name: string; image: string }[];
    schedulingGates?: { name: string }[];
    serviceAccountName?: string;
  };
  status?: { phase?: string; reason?: string };
}

/** core/v1 Event. */
export interface CoreEvent extends KubeObject {
  involvedObject: { apiVersion?: string; kind?: string; namespace?: string; name?: string; uid?: string; resourceVersion?: string };
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  count?: number;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
}

export interface Secret extends KubeObject {
  type?: string;
  /** Base64. */
  data?: Record<string, string>;
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  /** Values are base64. */
  binaryData?: Record<string, string>;
}

export interface ValidatingAdmissionPolicy extends KubeObject {
  spec?: Record<string, unknown>;
  status?: { observedGeneration?: number; typeChecking?: { expressionWarnings?: { fieldRef: string; warning: string }[] } };
}

export interface ValidatingAdmissionPolicyBinding extends KubeObject {
  spec?: Record<string, unknown>;
}

export interface CustomResourceDefinition extends KubeObject {
  spec: { group: string; names: { kind: string; plural: string }; versions?: { name: string; served: boolean }[] };
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** apiregistration.k8s.io/v1 APIService: the server of one version of an API group. */
export interface ApiService extends KubeObject {
  /** Absent: the API server itself. */
  spec?: { service?: { name?: string; namespace?: string } | null };
}

/**
 * admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: which webhook is called for which
 * requests. Others write it, so no field of a webhook is taken for granted.
 */
export interface ValidatingWebhookConfiguration extends KubeObject {
  webhooks?: unknown;
}

/** State of one Gatekeeper pod, in the status of templates and constraints. */
export interface GatekeeperPodStatus {
  id?: string;
  observedGeneration?: number;
  /** Present only in constraints. */
  enforced?: boolean;
  constraintUID?: string;
  /** Present only in templates. */
  templateUID?: string;
  operations?: string[];
  errors?: { code?: string; message: string; location?: string }[];
}

export interface ConstraintTemplate extends KubeObject {
  spec?: Record<string, unknown>;
  status?: { created?: boolean; byPod?: GatekeeperPodStatus[] };
}

/** Violation that Gatekeeper's audit lists in the status of a constraint. */
export interface ConstraintViolation {
  enforcementAction?: string;
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
  message: string;
}

/** Constraint of the template `k8sgeoresidency`, by which Gatekeeper enforces policies. */
export interface K8sGeoResidency extends KubeObject {
  spec?: {
    enforcementAction?: string;
    match?: { namespaces?: string[]; excludedNamespaces?: string[] };
    parameters?: { regions?: string[]; policies?: string[] };
  };
  status?: { auditTimestamp?: string; totalViolations?: number; byPod?: GatekeeperPodStatus[]; violations?: ConstraintViolation[] };
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    /** MicroTime: RFC 3339 with six decimals. */
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface Deployment extends KubeObject {
  spec?: { replicas?: number; template?: { metadata?: Partial<KubeObject['metadata']>; spec?: PlacementSpec } };
  status?: { observedGeneration?: number; availableReplicas?: number };
}

const kind = <T extends KubeObject>(apiVersion: string, name: string, plural: string, namespaced: boolean): KindDescriptor<T> => ({
  apiVersion,
  kind: name,
  plural,
  namespaced,
});

export const NAMESPACE_KIND: KindDescriptor<Namespace> = kind('v1', 'Namespace', 'namespaces', false);
export const NODE_KIND: KindDescriptor<Node> = kind('v1', 'Node', 'nodes', false);
export const POD_KIND: KindDescriptor<Pod> = kind('v1', 'Pod', 'pods', true);
export const EVENT_KIND: KindDescriptor<CoreEvent> = kind('v1', 'Event', 'events', true);
export const SECRET_KIND: KindDescriptor<Secret> = kind('v1', 'Secret', 'secrets', true);
export const CONFIG_MAP_KIND: KindDescriptor<ConfigMap> = kind('v1', 'ConfigMap', 'configmaps', true);
export const SERVICE_ACCOUNT_KIND: KindDescriptor = kind('v1', 'ServiceAccount', 'serviceaccounts', true);
export const SOVEREIGN_POLICY_KIND: KindDescriptor<SovereignPolicy> = kind(API_VERSION, 'SovereignPolicy', 'sovereignpolicies', true);
export const FLOOR_PARAMETERS_KIND: KindDescriptor<FloorParameters> = kind(API_VERSION, 'FloorParameters', 'floorparameters', false);
export const ADMISSION_POLICY_KIND: KindDescriptor<ValidatingAdmissionPolicy> = kind(
  'admissionregistration.k8s.io/v1',
  'ValidatingAdmissionPolicy',
  'validatingadmissionpolicies',
  false,
);
export const ADMISSION_POLICY_BINDING_KIND: KindDescriptor<ValidatingAdmissionPolicyBinding> = kind(
  'admissionregistration.k8s.io/v1',
  'ValidatingAdmissionPolicyBinding',
  'validatingadmissionpolicybindings',
  false,
);
export const VALIDATING_WEBHOOK_CONFIGURATION_KIND: KindDescriptor<ValidatingWebhookConfiguration> = kind(
  'admissionregistration.k8s.io/v1',
  'ValidatingWebhookConfiguration',
  'validatingwebhookconfigurations',
  false,
);
export const CRD_KIND: KindDescriptor<CustomResourceDefinition> = kind(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);
export const API_SERVICE_KIND: KindDescriptor<ApiService> = kind('apiregistration.k8s.io/v1', 'APIService', 'apiservices', false);
export const CONSTRAINT_TEMPLATE_KIND: KindDescriptor<ConstraintTemplate> = kind(
  'templates.gatekeeper.sh/v1',
  'ConstraintTemplate',
  'constrainttemplates',
  false,
);
export const GEO_RESIDENCY_KIND: KindDescriptor<K8sGeoResidency> = kind(
  'constraints.gatekeeper.sh/v1beta1',
  'K8sGeoResidency',
  'k8sgeoresidency',
  false,
);
export const LEASE_KIND: KindDescriptor<Lease> = kind('coordination.k8s.io/v1', 'Lease', 'leases', true);
export const DEPLOYMENT_KIND: KindDescriptor<Deployment> = kind('apps/v1', 'Deployment', 'deployments', true);
