export { PodSpec } from './decode.ts';
export { specFieldsOf } from './managed-fields.ts';
export { type Namespace, POD_KIND, type Pod, placementOf, regionsOf } from './reduce.ts';
export { MAX_FINALIZERS } from './reduce-policy.ts';
export { ClusterView } from './view.ts';
export type { NodesByName } from './view-deps.ts';
