export { type FleetCluster, readDefinition, selectClusters } from '../definition.ts';
export { type DownFleetOptions, downFleet, knownClusters, type UpCluster, type UpFleetOptions, upFleet } from './fleet.ts';
export { type ClusterStatus, fleetStatus } from './status.ts';
