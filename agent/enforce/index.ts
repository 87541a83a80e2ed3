export type { AdmissionObject } from './admission-policies.ts';
export type { BindGateMode } from './floor/binding-cel.ts';
export { desiredFloor, inOrder, isFloorName, planFloor } from './floor/floor.ts';
export {
  type FloorParametersPlan,
  type Overflow,
  planFloorParameters,
  policiesInParameters,
  unknownParameters,
} from './floor/floor-parameters.ts';
export { CANARY_GOVERNANCE, planCanaryNamespace } from './floor/index-canary.ts';
export { isRedirected, POLICY_API, planApiServices, planDefinitions, SettledDefinitions } from './foundation.ts';
export { CANARY_LABEL, CANARY_NAME, isRefusedByCanary } from './gatekeeper/canary.ts';
export {
  type BindGate,
  entriesOf,
  groupIdentityOf,
  groupOf,
  hasBindGate,
  isOwnConstraint,
  isRefusedByOwnConstraint,
} from './gatekeeper/constraint.ts';
export { isConstraintEnforced, isTemplateReady, planGatekeeper } from './gatekeeper/gatekeeper.ts';
export { findConstraintProblem, findTemplateProblem, type GatekeeperProblem } from './gatekeeper/gatekeeper-problems.ts';
export type { Constraint, ConstraintEntry, ScopedEnforcementAction, Template } from './gatekeeper/kinds.ts';
export { desiredTemplate, TEMPLATE_NAME } from './gatekeeper/template.ts';
export {
  findExclusion,
  findWebhookProblem,
  GATEKEEPER_IGNORE,
  READ_NAMESPACE_KEYS,
  WEBHOOK_CONFIGURATION_GONE,
  WEBHOOK_CONFIGURATION_NAME,
} from './gatekeeper/webhook-configuration.ts';
export { createGovernor, type Governor, planGovernance } from './governance.ts';
export { planAdoption } from './guard/adoption.ts';
export { desiredGuard, planGuard } from './guard/guard.ts';
export type { GuardProbe } from './guard/guard-probes.ts';
export { guardProbes, isGuardName } from './guard/guards.ts';
export {
  COMMIT_REASON,
  type DesiredPolicies,
  type DesiredPolicy,
  desiredPolicies,
  generationAsDesired,
  type HubPoliciesPlan,
  planHubPolicies,
} from './hub-policies.ts';
export { INJECTION_NAME, type InjectionKinds, injectionKinds, planInjection } from './injection/injection.ts';
export { timeText } from './labels.ts';
export { planNamespaces } from './namespaces.ts';
export { keptFields, ServerDefaults } from './server-defaults.ts';
export {
  type Action,
  ALERT_AFTER,
  ANY_PROVIDER,
  type DesiredConstraint,
  EVERY_REGION,
  type Governance,
  isAlert,
  MAX_EXCEPTIONS,
  MAX_ZONES,
  type NamespaceGovernance,
  type NamespaceInput,
  NO_EXCEPTIONS,
  type NodeExceptions,
  type PolicyInput,
  type PolicyOutcome,
  type PresentProviders,
  type Trust,
  type WriteFailure,
} from './types.ts';
