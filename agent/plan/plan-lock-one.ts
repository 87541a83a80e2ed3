import { CANARY_NAMESPACE, INJECTION_LABEL, INJECTION_LABEL_VALUE, NAMESPACES_PARAMETERS, NODES_PARAMETERS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  API_SERVICE_KIND,
  CRD_KIND,
  type CustomResourceDefinition,
  FLOOR_PARAMETERS_KIND,
  NAMESPACE_KIND,
  NODE_KIND,
} from '@fso/shared/kube';
import type { ClusterView } from '../cache/index.ts';
import type { ServerDefaults } from '../enforce/index.ts';
import {
  type Action,
  desiredFloor,
  desiredGuard,
  desiredTemplate,
  type FloorParametersPlan,
  type Governance,
  inOrder,
  planApiServices,
  planCanaryNamespace,
  planDefinitions,
  planFloor,
  planFloorParameters,
  planGuard,
  type SettledDefinitions,
  type Trust,
  unknownParameters,
} from '../enforce/index.ts';
import type { Capabilities } from './capabilities.ts';
import { hashBodies } from './install-record.ts';

/** Settings and facts of the cluster that are known from the agent's start. */
export interface ClusterSettings {
  readonly capabilities: Capabilities;
  readonly trust: Trust;
  /** CRDs of this system in this version. */
  readonly definitions: readonly CustomResourceDefinition[];
}

/** Settings with facts that the agent learns while it runs. */
export interface PlanSettings extends ClusterSettings {
  readonly defaults: ServerDefaults;
  readonly settledDefinitions: SettledDefinitions;
  /** Time since which the parameters of lock 1 must be written again; undefined: no need. */
  readonly renewedAt: string | undefined;
}

const PARAMETERS = [NODES_PARAMETERS, NAMESPACES_PARAMETERS];
const NO_PARAMETERS: FloorParametersPlan = {
  actions: [],
  overflow: { nodes: 0, namespaces: 0, patterns: 0 },
  covers: () => false,
  unlisted: new Set(),
};

/** Actions for policies and bindings of lock 1 or its guard, and whether these are in place. */
export interface AdmissionPlan {
  readonly actions: readonly Action[];
  readonly isWhole: boolean;
}

const floorOptions = ({ capabilities, trust }: ClusterSettings, injection: boolean) =>
  ({ bindGate: capabilities.bindGate, binders: trust.binders, injection }) as const;

const readAdmission = (view: ClusterView, { defaults }: PlanSettings) => {
  view.assertRead(ADMISSION_POLICY_KIND, ADMISSION_POLICY_BINDING_KIND);
  return {
    policies: defaults.clear(ADMISSION_POLICY_KIND.kind, view.admissionPolicies.list()),
    bindings: defaults.clear(ADMISSION_POLICY_BINDING_KIND.kind, view.admissionBindings.list()),
  };
};

/** Plans the policies of the floor. @throws UnreadKindError */
export const planFloorPart = (view: ClusterView, settings: PlanSettings): AdmissionPlan => {
  if (!settings.capabilities.floor) return NO_ADMISSION;
  const { policies, bindings } = readAdmission(view, settings);
  const actions = inOrder(planFloor(policies, bindings, floorOptions(settings, isInjectionServed(view))), policies);
  return { actions, isWhole: isInPlace(actions) && PARAMETERS.every((name) => view.parameters.get(name) !== undefined) };
};

/** Plans the policies of the guard. @throws UnreadKindError */
export const planGuardPart = (view: ClusterView, settings: PlanSettings): AdmissionPlan => {
  if (!settings.capabilities.floor) return NO_ADMISSION;
  const { policies, bindings } = readAdmission(view, settings);
  const actions = planGuard(policies, bindings, settings.trust);
  return { actions, isWhole: isInPlace(actions) };
};

/** Plan of lock 1 without writes, that counts as incomplete. */
export const NO_ADMISSION: AdmissionPlan = { actions: [], isWhole: false };

/**
 * Whether the desired objects are in place. Left-overs of an older version do not count: they are
 * deleted once the newer objects are effective, see FloorThrottle.
 */
const isInPlace = (actions: readonly Action[]): boolean => actions.every(({ type }) => type === 'delete');

/**
 * Hash of everything that an agent with these settings installs, by which upgrades are recognized.
 */
export const textFor = (settings: ClusterSettings, injectable: boolean): string =>
  hashBodies([desiredFloor(floorOptions(settings, injectable)), desiredGuard(settings.trust), desiredTemplate(), settings.definitions]);

/**
 * Plans the parameters of lock 1. Writes nothing while their kind is not served, as it is being
 * restored then.
 *
 * @throws UnreadKindError
 */
export const planIndexPart = (
  view: ClusterView,
  governance: Governance,
  { capabilities, renewedAt }: PlanSettings,
): FloorParametersPlan => {
  if (!capabilities.floor) return NO_PARAMETERS;
  if (!view.parameters.served) return unknownParameters(governance);
  view.assertRead(FLOOR_PARAMETERS_KIND, NODE_KIND);
  view.places.assertKnown();
  const { bindGate } = capabilities;
  const { exceptions } = view.places;
  return planFloorParameters({ governance, nodes: view.places.list(), exceptions, observed: view.parameters.list(), bindGate, renewedAt });
};

/**
 * Plans the objects that lock 1 depends on. CRDs that cannot be read stay as they were at the start
 * of the agent.
 */
export const planFoundation = (view: ClusterView, settings: PlanSettings): readonly Action[] => {
  view.assertRead(API_SERVICE_KIND, CRD_KIND, NAMESPACE_KIND);
  const { definitions: desired, settledDefinitions: settled, capabilities } = settings;
  return [
    ...planApiServices(view.apiServices.list()),
    ...(view.areDefinitionsReadable ? planDefinitions({ desired, observed: (name) => view.definition(name), settled }) : []),
    ...(capabilities.floor ? planCanaryNamespace(view.namespaces.get(CANARY_NAMESPACE)) : []),
  ];
};

/** Whether the API server serves MutatingAdmissionPolicy. */
export const isInjectionServed = ({ mutatingPolicies, mutatingBindings }: ClusterView): boolean =>
  mutatingPolicies.served && mutatingBindings.served;

/** Whether placements are currently injected into the pods of a namespace. */
export const isInjecting = (view: ClusterView, namespace: string): boolean =>
  isInjectionServed(view) && view.namespaces.get(namespace)?.metadata.labels?.[INJECTION_LABEL] === INJECTION_LABEL_VALUE;
