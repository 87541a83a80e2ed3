import { REGION_LABEL } from '@fso/shared/api';
import { expression, INSIDE, inside, type PodSpec, podOf, pods, requiring, termOf } from './bodies.ts';
import type { Attack, Scene } from './scene.ts';
import { DAEMON_SET, DEPLOYMENT, JOB, type Workload, workloadOf, workloadPath } from './workload-attacks.ts';

/**
 * Pods that must be bound, and inside: else a lock that refuses everything would pass these tests.
 */
export interface Control {
  readonly name: string;
  /** Number of pods that must be bound. */
  readonly pods: number;
  readonly steps: (scene: Scene) => Promise<void>;
}

const mustTake = async (scene: Scene, path: string, body: object): Promise<void> => {
  const { accepted, text } = await scene.mallory.post(path, body);
  if (!accepted) throw new Error(`refused: ${text}`);
};

const pod = (name: string, spec: PodSpec): Control => ({
  name,
  pods: 1,
  steps: (scene) => mustTake(scene, pods(scene.namespace), podOf('correct', spec)),
});

const workload = (kind: Workload, count: number): Control => ({
  name: `a ${kind.kind}`,
  pods: count,
  steps: (scene) => mustTake(scene, workloadPath(kind, scene.namespace), workloadOf(kind, 'correct', inside)),
});

export const CONTROLS: readonly Control[] = [
  pod('a nodeSelector', inside),
  pod('required affinity', requiring(termOf(expression('In', INSIDE, 'eu-central-1')))),
  pod('a free term cut by the nodeSelector', { ...inside, ...requiring(termOf({ key: 'kubernetes.io/os', operator: 'Exists' })) }),
  {
    name: 'a gated pod',
    pods: 1,
    steps: async (scene) => {
      await mustTake(scene, pods(scene.namespace), podOf('correct', { ...inside, schedulingGates: [{ name: 'example.com/hold' }] }));
      const { accepted, text } = await scene.mallory.merge(pods(scene.namespace, 'correct'), { spec: { schedulingGates: null } });
      if (!accepted) throw new Error(`refused: ${text}`);
    },
  },
  workload(DEPLOYMENT, 2),
  workload(JOB, 1),
  // One on each node of the region.
  workload(DAEMON_SET, 2),
  {
    name: 'a DaemonSet with node affinity',
    pods: 4,
    steps: (scene) => {
      const spec = requiring(termOf({ key: REGION_LABEL, operator: 'In', values: [INSIDE, 'eu-central-1'] }));
      return mustTake(scene, workloadPath(DAEMON_SET, scene.namespace), workloadOf(DAEMON_SET, 'correct', spec));
    },
  },
];

/** A control in the form of an attack: it has a namespace of its own. */
export const asAttack = ({ name, steps }: Control): Attack => ({ name: `control ${name}`, tries: 'does only allowed things', steps });
