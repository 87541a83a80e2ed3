import type { ApiObject } from './api.ts';
import { KWOK_USER } from './pki/pki.ts';

const NODES_PER_REGION = ['a', 'b'];

/**
 * Nodes of a region, as a cloud's node controller would label them. Nothing runs on them: kwok plays their kubelets.
 * Their sizes are such that capacity never decides where a pod lands.
 */
export function nodesOf(regions: readonly string[]): ApiObject[] {
  return regions.flatMap((region) =>
    NODES_PER_REGION.map((zone) => {
      const name = `${region.toLowerCase()}-${zone}`;
      const size = { cpu: '256', memory: '1Ti', 'ephemeral-storage': '1Ti', pods: '5000' };
      return {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name,
          labels: {
            'kubernetes.io/hostname': name,
            'kubernetes.io/os': 'linux',
            'kubernetes.io/arch': 'amd64',
            'topology.kubernetes.io/region': region,
            'topology.kubernetes.io/zone': `${region}${zone}`,
          },
          annotations: { 'kwok.x-k8s.io/node': 'fake' },
        },
        status: { allocatable: size, capacity: size },
      };
    }),
  );
}

/**
 * Rights of kwok, after its own manifest: status of nodes and pods, leases of nodes, events; no
 * node's labels.
 */
const KWOK_RULES = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/status', 'pods/status'], verbs: ['patch', 'update'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch', 'update', 'delete'] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'update'] },
];

const RBAC = 'rbac.authorization.k8s.io';

export const KWOK_RIGHTS: readonly ApiObject[] = [
  { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name: KWOK_USER }, rules: KWOK_RULES },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: KWOK_USER },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: KWOK_USER },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: KWOK_USER }],
  },
];
