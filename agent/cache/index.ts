export type { Namespace, Pod } from './reduce.ts';
export { ClusterView, type NodesByName } from './view.ts';
