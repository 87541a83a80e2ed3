export { PodSpec } from './decode.ts';
export { specFieldsOf } from './managed-fields.ts';
export type { CommitPlaces, NodesByName, PlacedNode, PlacedNodes } from './nodes/placed-nodes.ts';
export { type Namespace, POD_KIND, type Pod, placementOf, regionsOf } from './reduce.ts';
export { MAX_FINALIZERS } from './reduce-policy.ts';
export { ClusterView } from './view.ts';
