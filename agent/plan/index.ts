export { type Capabilities, capabilitiesOf, untilUpgraded } from './capabilities.ts';
export { guardTargets } from './guard-targets.ts';
export { readUninstallRequest, type UninstallRequest, uninstalledText } from './install-record.ts';
export { type ClusterPlan, planCluster } from './plan.ts';
export type { HubCommit } from './plan-commit.ts';
export { type ClusterSettings, isInjecting, isInjectionServed } from './plan-lock-one.ts';
export {
  canaryTargets,
  findNodeOutside,
  indexedNamespaces,
  ProbeTargets,
  UnsettledNamespaces,
  unwritableNamespaces,
} from './probe-targets.ts';
