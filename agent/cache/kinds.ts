import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import type { PlacementSpec } from '@fso/shared/residency';

/** A pod as the agent keeps it: what decides where it may run, and where it does. */
export interface Pod extends KubeObject {
  spec: PlacementSpec;
  status?: { phase?: string };
}

export const POD_KIND: KindDescriptor<Pod> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };
