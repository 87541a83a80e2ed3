import type { ManagedClusterDocument, PolicyScopeDocument, SovereignPolicyDocument, SovereignPolicySpecInput } from '../../api/index.ts';
import { API_VERSION, SovereignPolicySpec } from '../../api/index.ts';
import type { PolicySet, Sourced } from '../../decode/index.ts';
import type { FleetState } from '../fleet.ts';

/** Time of the fleets, in milliseconds since 1970. */
export const NOW = Date.parse('2026-06-01T00:00:00Z');

const at = (path: string) => ({ path, line: 1, column: 1 });

/** Builds a SovereignPolicy with its place in Git. */
export const policy = (name: string, spec: SovereignPolicySpecInput, folder = 'policies'): Sourced<SovereignPolicyDocument> => ({
  document: { apiVersion: API_VERSION, kind: 'SovereignPolicy', metadata: { name }, spec: SovereignPolicySpec.parse(spec) },
  source: at(`${folder}/${name}.yaml`),
});

/** Builds a ManagedCluster with its place in Git. */
export const cluster = (name: string, regions: string[]): Sourced<ManagedClusterDocument> => ({
  document: { apiVersion: API_VERSION, kind: 'ManagedCluster', metadata: { name }, spec: { regions } },
  source: at(`clusters/${name}.yaml`),
});

/** Builds a PolicyScope that keeps the policies of a folder to clusters. */
export const scope = (folder: string, clusterNames: string[]): Sourced<PolicyScopeDocument> => ({
  document: { apiVersion: API_VERSION, kind: 'PolicyScope', metadata: { name: 'part' }, spec: { placement: { clusterNames } } },
  source: at(`policies/${folder}/scope.yaml`),
});

/** Registrations of the fleets. */
export const CLUSTERS = [cluster('eu', ['eu-west-1', 'eu-central-1']), cluster('us', ['us-east-1'])];

/** A fleet now, with all its nodes. */
export const fleet = (policies: PolicySet['policies'], change: Partial<FleetState> & Partial<PolicySet> = {}): FleetState => {
  const { atMs = NOW, withoutClusters = [], withoutRegions = [], ...documents } = change;
  return {
    set: { policies, scopes: [], clusters: CLUSTERS, regionGroups: [], catalog: undefined, rollout: undefined, ...documents },
    atMs,
    withoutClusters,
    withoutRegions,
  };
};
