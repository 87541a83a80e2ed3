import { ClusterPage, ClusterPolicyPage, ClusterView, RegionList } from '@fso/shared/api';
import {
  ClusterPolicyQuery,
  ClusterQuery,
  clusterOrders,
  clusterPolicy,
  clusterPolicyOrders,
  listRegions,
  matchesCluster,
  matchesClusterPolicy,
} from '../fleet/cluster-lists.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { sortedPage } from '../http/paging.ts';
import { NameParams } from '../http/parameters.ts';
import { notFound } from '../http/problems.ts';
import { jsonRoute, type Route } from '../http/route.ts';

export const clusterRoutes: readonly Route<FleetDeps>[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters',
      operationId: 'listClusters',
      summary: 'Clusters that are registered or were ever seen',
      tag: 'clusters',
      access: 'viewer',
      scope: 'scoped',
      query: ClusterQuery,
    },
    { schema: ClusterPage, description: 'A page; sorted by name unless `sort` says otherwise.' },
    async (deps, { query }) => {
      const clusters = (await deps.fleet.read()).clusters().filter((cluster) => matchesCluster(cluster, query));
      const page = sortedPage(clusters, clusterOrders, query);
      return { ...page, items: page.items.map(({ view }) => view) };
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters/{name}',
      operationId: 'getCluster',
      summary: 'One cluster',
      tag: 'clusters',
      access: 'viewer',
      scope: 'scoped',
      params: NameParams,
      problems: ['not-found'],
    },
    { schema: ClusterView, description: 'The cluster.' },
    async (deps, { params }) => (await deps.fleet.read()).cluster(params.name)?.view ?? notFound(`cluster ${params.name}`),
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters/{name}/policies',
      operationId: 'listClusterPolicies',
      summary: 'Policies as they stand in one cluster',
      description: 'Those that it is meant to have and those that it reports.',
      tag: 'clusters',
      access: 'viewer',
      scope: 'scoped',
      params: NameParams,
      query: ClusterPolicyQuery,
      problems: ['not-found'],
    },
    { schema: ClusterPolicyPage, description: 'A page; sorted by key unless `sort` says otherwise.' },
    async (deps, { params, query }) => {
      const fleet = await deps.fleet.read();
      if (fleet.cluster(params.name) === undefined) return notFound(`cluster ${params.name}`);
      const here = fleet.policies().flatMap((policy) => clusterPolicy(policy, params.name) ?? []);
      return sortedPage(
        here.filter((policy) => matchesClusterPolicy(policy, query)),
        clusterPolicyOrders,
        query,
      );
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/regions',
      operationId: 'listRegions',
      summary: 'Regions with the policies that allow them, the clusters and nodes in them, and the violations there',
      tag: 'clusters',
      access: 'viewer',
      scope: 'scoped',
    },
    { schema: RegionList, description: 'All of them, by name; as last reported.' },
    async (deps) => listRegions(await deps.fleet.read()),
  ),
];
