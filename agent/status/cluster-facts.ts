import { CONDITIONS, type Condition, REGION_LABEL } from '@fso/shared/api';
import { setCondition } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/view.ts';
import type { Overflow } from '../enforce/index.ts';
import { NEVER_TAMPERED, type Tampering, tamperedCondition } from '../observe/tampering.ts';
import type { ClusterFacts } from '../observe/types.ts';
import { findFloorProblem } from './floor-problems.ts';

export interface ClusterFactsInput {
  readonly view: Pick<ClusterView, 'nodes' | 'templates' | 'admissionPolicies'>;
  /** What keeps lock 2 from being in force; undefined: nothing. */
  readonly gatekeeperProblem: string | undefined;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  /** Whether the cluster can have lock 1. */
  readonly floor: boolean;
  /** What keeps the guard from being in place; undefined: nothing. */
  readonly guardProblem: string | undefined;
  /** What keeps the parameters of the floor from being written; undefined: nothing. */
  readonly parametersProblem?: string | undefined;
  /** What shows that the index judges nothing; undefined: nothing does. */
  readonly indexProblem?: string | undefined;
  readonly overflow: Overflow;
  /** What somebody did within the last hour. */
  readonly tampering?: Tampering | undefined;
  readonly previous: ClusterFacts;
  readonly now: Date;
}

const gatekeeperFacts = ({ view, gatekeeperProblem }: ClusterFactsInput): ClusterFacts['gatekeeper'] => {
  if (!view.templates.served) return { state: 'Absent', message: 'Gatekeeper is not installed' };
  return gatekeeperProblem === undefined ? { state: 'Ready' } : { state: 'NotReady', message: truncate(gatekeeperProblem, 2_048) };
};

const overflowText = ({ nodes, namespaces, patterns }: Overflow): string =>
  [
    nodes > 0 ? `${nodes} nodes do not fit into the list of lock 1: where a Binding says no region, none is bound to them` : '',
    namespaces > 0 ? `${namespaces} namespaces do not fit into the index of lock 1: they rest on their labels and on Gatekeeper` : '',
    patterns > 0 ? `${patterns} globs do not fit into the index of lock 1: new namespaces are covered once they are labelled` : '',
  ]
    .filter((text) => text !== '')
    .join('; ');

const floorCondition = ({
  floor,
  overflow,
  parametersProblem,
  indexProblem,
  view,
}: ClusterFactsInput): Omit<Condition, 'lastTransitionTime'> => {
  const type = CONDITIONS.floorReady;
  if (!floor) {
    return { type, status: 'False', reason: 'Unavailable', message: 'Kubernetes 1.30 or newer is needed for ValidatingAdmissionPolicy' };
  }
  const problem = findFloorProblem(view.admissionPolicies.list());
  if (problem !== undefined) return { type, status: 'False', reason: 'TypeChecking', message: problem };
  const open = [indexProblem, parametersProblem].filter((text) => text !== undefined).join('; ');
  if (open !== '')
    return { type, status: 'False', reason: indexProblem === undefined ? 'WriteFailed' : 'IndexOpen', message: open.slice(0, 4_096) };
  const message = overflowText(overflow);
  return message === '' ? { type, status: 'True', reason: 'Supported', message } : { type, status: 'False', reason: 'TooLarge', message };
};

/** Where there is no lock 1 there is no guard: one condition says so. */
const guardCondition = ({ floor, guardProblem }: ClusterFactsInput): Omit<Condition, 'lastTransitionTime'> | undefined => {
  if (!floor) return undefined;
  const type = CONDITIONS.guardReady;
  return guardProblem === undefined
    ? { type, status: 'True', reason: 'InPlace', message: '' }
    : { type, status: 'False', reason: 'Missing', message: truncate(guardProblem, 4_096) };
};

const tampered = ({ tampering, previous }: ClusterFactsInput): Omit<Condition, 'lastTransitionTime'> =>
  tamperedCondition(tampering, previous.conditions) ?? NEVER_TAMPERED;

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
    conditions: [floorCondition(input), guardCondition(input), tampered(input)]
      .filter((condition) => condition !== undefined)
      .reduce<Condition[]>((conditions, condition) => setCondition(conditions, condition, input.now), input.previous.conditions),
  };
};
