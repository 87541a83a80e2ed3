export { type LocalCluster, type LocalClusterOptions, startLocalCluster } from './cluster.ts';
export type { Component } from './state.ts';
