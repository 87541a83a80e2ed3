export { type Namespace, POD_KIND, type Pod } from './reduce.ts';
export { ClusterView, type NodesByName } from './view.ts';
