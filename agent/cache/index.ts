export { GATEKEEPER_IGNORE, type Namespace, type Pod } from './reduce.ts';
export { ClusterView, type NodesByName } from './view.ts';
