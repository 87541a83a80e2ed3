import type { ViolationView } from '@fso/shared/api';
import { fixText, REGION_LABEL } from '@fso/shared/residency';

/** Beginning of the agent's reason for a pod that is not bound yet; the violation follows. */
const UNBOUND = 'may be scheduled outside: ';

interface Remedy {
  /** The situation, in one sentence. */
  readonly situation: string;
  /** Instructions, in order. */
  readonly steps: readonly string[];
}

/** @param regions regions that the policy allows in the cluster */
export const findRemedy = ({ reason, node }: Pick<ViolationView, 'reason' | 'node'>, regions: readonly string[]): Remedy => {
  const violation = reason.startsWith(UNBOUND) ? reason.slice(UNBOUND.length) : undefined;
  const confine = `In the workload that creates the pod (Deployment, Job, …), ${fixText(regions, violation)}.`;
  if (regions.length === 0) return { situation: 'No region is allowed here.', steps: [`${fixText(regions)}.`] };
  if (node === undefined) {
    return {
      situation: 'The pod has no node yet and may be scheduled outside the allowed regions.',
      steps: [confine, 'Replace the pod: its scheduling constraints cannot be changed once it exists.'],
    };
  }
  return {
    situation: 'The pod is running, and a running pod cannot move: it must be recreated elsewhere.',
    steps: [
      confine,
      'Replace the pod: a changed Deployment does so by itself; delete and recreate a bare pod.',
      `If the node is in an allowed region after all, its label ${REGION_LABEL} is wrong or missing: ask the owner of the nodes to correct it.`,
    ],
  };
};
