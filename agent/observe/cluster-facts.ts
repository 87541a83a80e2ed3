import type { Condition } from '@fso/shared/api';
import { CONDITIONS, REGION_LABEL } from '@fso/shared/api';
import { setCondition } from '@fso/shared/kube';
import type { ClusterFacts } from './types.ts';
import type { ClusterView } from './view.ts';

export interface ClusterFactsInput {
  readonly view: Pick<ClusterView, 'nodes' | 'templates'>;
  readonly templateReady: boolean;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  readonly capabilities: { readonly floor: boolean; readonly bindGate: boolean };
  readonly previous: ClusterFacts;
  readonly now: Date;
}

const gatekeeperFacts = ({ view, templateReady }: ClusterFactsInput): ClusterFacts['gatekeeper'] => {
  if (!view.templates.served) return { state: 'Absent', message: 'Gatekeeper is not installed' };
  return templateReady
    ? { state: 'Ready' }
    : { state: 'NotReady', message: 'the K8sGeoResidency template is not ready on every pod of Gatekeeper' };
};

const floorCondition = ({ capabilities }: ClusterFactsInput): Omit<Condition, 'lastTransitionTime'> => {
  const type = CONDITIONS.floorReady;
  if (!capabilities.floor) {
    return { type, status: 'False', reason: 'Unavailable', message: 'Kubernetes 1.30 or newer is needed for ValidatingAdmissionPolicy' };
  }
  if (!capabilities.bindGate) {
    return { type, status: 'True', reason: 'NoBindGate', message: 'Kubernetes 1.35 or newer is needed for the bind gate' };
  }
  return { type, status: 'True', reason: 'Supported', message: '' };
};

/** What the agent sees of its cluster beyond policies. */
export const clusterFacts = (input: ClusterFactsInput): ClusterFacts => {
  const nodesByRegion: Record<string, number> = {};
  for (const { metadata } of input.view.nodes.list()) {
    const region = metadata.labels?.[REGION_LABEL] ?? '';
    nodesByRegion[region] = (nodesByRegion[region] ?? 0) + 1;
  }
  return {
    agentVersion: input.agentVersion,
    kubernetesVersion: input.kubernetesVersion,
    gatekeeper: gatekeeperFacts(input),
    nodesByRegion,
    conditions: setCondition(input.previous.conditions, floorCondition(input), input.now),
  };
};
