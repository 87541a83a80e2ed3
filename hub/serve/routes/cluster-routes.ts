import { ClusterPage, type ClusterPolicy, ClusterPolicyPage, ClusterView, RegionPage } from '@fso/shared/api';
import { type ClusterEntry, viewOf } from '../fleet/cluster-entry.ts';
import {
  ClusterPolicyQuery,
  ClusterQuery,
  clusterOrders,
  clusterPolicies,
  clusterPolicyOrders,
  matchesCluster,
  matchesClusterPolicy,
} from '../fleet/cluster-lists.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { listRegions } from '../fleet/regions/region-list.ts';
import { listPage } from '../http/paging.ts';
import { NameParams, PageQuery } from '../http/parameters.ts';
import { notFound } from '../http/problems.ts';
import { jsonRoute, type Route, SCOPED_LIST, SCOPED_READ } from '../http/route.ts';

/** Routes of clusters and their policies. */
export const clusterRoutes: readonly Route<FleetDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/clusters',
      operationId: 'listClusters',
      summary: 'Clusters that are registered or were ever seen',
      tag: 'clusters',
      query: ClusterQuery,
    },
    { schema: ClusterPage, description: 'A page; sorted by name unless `sort` says otherwise.' },
    async (deps, { query, ...input }) => {
      const clusters = (await deps.fleet.read()).clusters();
      const matches = (cluster: ClusterEntry): boolean => matchesCluster(cluster, query);
      const page = await listPage(clusters, { matches, orders: clusterOrders, query }, input);
      return { ...page, items: page.items.map(viewOf) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/clusters/{name}',
      operationId: 'getCluster',
      summary: 'One cluster',
      tag: 'clusters',
      params: NameParams,
      problems: ['not-found'],
    },
    { schema: ClusterView, description: 'The cluster.' },
    async (deps, { params }) => {
      const entry = (await deps.fleet.read()).cluster(params.name);
      return entry === undefined ? notFound(`cluster ${params.name}`) : viewOf(entry);
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/clusters/{name}/policies',
      operationId: 'listClusterPolicies',
      summary: 'Policies as they stand in one cluster',
      description: 'Those that it is meant to have and those that it reports.',
      tag: 'clusters',
      params: NameParams,
      query: ClusterPolicyQuery,
      problems: ['not-found'],
    },
    { schema: ClusterPolicyPage, description: 'A page; sorted by key unless `sort` says otherwise.' },
    async (deps, { params, query, ...input }) => {
      const fleet = await deps.fleet.read();
      if (fleet.cluster(params.name) === undefined) return notFound(`cluster ${params.name}`);
      const here = clusterPolicies(fleet.policies(), params.name);
      const matches = (policy: ClusterPolicy): boolean => matchesClusterPolicy(policy, query);
      return listPage(here, { matches, orders: clusterPolicyOrders, query }, input);
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/regions',
      operationId: 'listRegions',
      summary: 'Regions with the policies that allow them, the clusters and nodes in them, and the violations there',
      tag: 'clusters',
      query: PageQuery,
    },
    {
      schema: RegionPage,
      description: 'A page; by name, once for each provider that clusters there are registered with; as last reported.',
    },
    async (deps, input) => listRegions(await deps.fleet.read(), input),
  ),
];
