export { type Namespace, POD_KIND, type Pod, placementOf, regionsOf } from './reduce.ts';
export { ClusterView, type NodesByName } from './view.ts';
