import { CANARY_NAMESPACE, NAMESPACES_PARAMETERS, NODES_PARAMETERS } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND, type CustomResourceDefinition } from '@fso/shared/kube';
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

/** What the agent knows about its cluster from the start. */
export interface ClusterSettings {
  readonly capabilities: Capabilities;
  readonly trust: Trust;
  /** The CRDs of this system, as this version has them. */
  readonly definitions: readonly CustomResourceDefinition[];
}

/** What it has learnt since, too. */
export interface PlanSettings extends ClusterSettings {
  readonly defaults: ServerDefaults;
  readonly settledDefinitions: SettledDefinitions;
  /** When the parameters of lock 1 had to be written again; undefined: they need not be. */
  readonly renewedAt: string | undefined;
}

const PARAMETERS = [NODES_PARAMETERS, NAMESPACES_PARAMETERS];
const NO_PARAMETERS: FloorParametersPlan = {
  actions: [],
  overflow: { nodes: 0, namespaces: 0, patterns: 0 },
  covers: () => false,
  unlisted: new Set(),
};

export interface LockOne {
  readonly floor: readonly Action[];
  readonly parameters: FloorParametersPlan;
  readonly floorWhole: boolean;
  readonly guardWhole: boolean;
}

const floorOptions = ({ capabilities, trust }: ClusterSettings, injection: boolean) =>
  ({ bindGate: capabilities.bindGate, binders: trust.binders, injection }) as const;

export const planLockOne = (view: ClusterView, settings: PlanSettings, governance: Governance): LockOne => {
  const { capabilities, trust, defaults } = settings;
  if (!capabilities.floor) return { floor: [], parameters: NO_PARAMETERS, floorWhole: false, guardWhole: false };
  const policies = defaults.clear(ADMISSION_POLICY_KIND.kind, view.admissionPolicies.list());
  const bindings = defaults.clear(ADMISSION_POLICY_BINDING_KIND.kind, view.admissionBindings.list());
  const options = floorOptions(settings, isInjectionServed(view));
  const floor = inOrder(planFloor(policies, bindings, options), policies);
  const guard = planGuard(policies, bindings, trust);
  return {
    floor: [...floor, ...guard],
    parameters: parametersOf(view, governance, settings),
    floorWhole: isInPlace(floor) && PARAMETERS.every((name) => view.parameters.get(name) !== undefined),
    guardWhole: isInPlace(guard),
  };
};

/** Remains of an older version do not count; they wait until the newer judges, see FloorThrottle. */
const isInPlace = (actions: readonly Action[]): boolean => actions.every(({ type }) => type === 'delete');

export const textFor = (settings: ClusterSettings, injectable: boolean): string =>
  hashBodies([desiredFloor(floorOptions(settings, injectable)), desiredGuard(settings.trust), desiredTemplate(), settings.definitions]);

/** While their kind is not served they cannot be written: it is being put back. */
const parametersOf = (view: ClusterView, governance: Governance, { capabilities, renewedAt }: PlanSettings): FloorParametersPlan => {
  if (!view.parameters.served || !view.parameters.synced) return unknownParameters(governance);
  const { bindGate } = capabilities;
  return planFloorParameters({ governance, nodes: view.nodes.list(), observed: view.parameters.list(), bindGate, renewedAt });
};

/** What lock 1 stands on. Where the CRDs cannot be read, they are as the start of the agent left them. */
export const planFoundation = (view: ClusterView, settings: PlanSettings): readonly Action[] => {
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
