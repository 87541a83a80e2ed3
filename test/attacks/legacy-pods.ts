import { REGION_LABEL } from '@fso/shared/api';
import { POD_KIND } from '@fso/shared/kube';
import { eventually } from '../harness/waiting.ts';
import type { Answer } from './attacker.ts';
import { CONTAINERS, OUTSIDE, OUTSIDE_NODE, podOf, pods } from './bodies.ts';
import { type Attack, podsOf, type Scene, settled } from './scene.ts';
import { DEPLOYMENT, JOB, workloadOf, workloadPath } from './workload-attacks.ts';

/**
 * Pods from before the policy run outside of its regions: the agent reports them, and their owners
 * may keep them.
 */

const must = async (answer: Promise<Answer>): Promise<void> => {
  const { accepted, text } = await answer;
  if (!accepted) throw new Error(`refused: ${text}`);
};

const OUT = { nodeSelector: { [REGION_LABEL]: OUTSIDE } };
const FINALIZER = 'example.com/hold';

const UPDATES: Attack = {
  name: 'old pod updated and deleted',
  tries: 'changes labels and annotations, adds and removes a finalizer, deletes the pod',
  before: async (scene) => {
    await must(scene.mallory.post(pods(scene.namespace), podOf('old', OUT)));
    await settled(scene);
  },
  steps: async (scene) => {
    const { mallory, namespace } = scene;
    const path = pods(namespace, 'old');
    await must(mallory.merge(path, { metadata: { labels: { seen: 'yes' }, annotations: { seen: 'yes' } } }));
    await must(mallory.merge(path, { metadata: { finalizers: [FINALIZER] } }));
    await must(mallory.merge(pods(namespace, 'old', 'status'), { status: { message: 'still here' } }));
    const container = { name: 'debugger', image: CONTAINERS[0]?.image, targetContainerName: 'main' };
    await must(mallory.merge(pods(namespace, 'old', 'ephemeralcontainers'), { spec: { ephemeralContainers: [container] } }));
    await must(mallory.delete(path));
    await must(mallory.merge(path, { metadata: { finalizers: null } }));
    await eventually(async () => (await podsOf(scene)).length === 0);
  },
};

const podOfJob = async (scene: Scene): Promise<string | undefined> => (await podsOf(scene))[0]?.metadata.name;

/**
 * Keeps the pod as if its kubelet had not ended it yet: the simulated kubelet acts only on Pending
 * and Running. A condition would not last: the node controller writes Ready=False if a busy machine
 * delays the heartbeat of the node.
 */
const heldByTheKubelet = async (scene: Scene): Promise<void> => {
  const { mallory, namespace } = scene;
  await must(mallory.post(workloadPath(JOB, namespace), workloadOf(JOB, 'old', { ...OUT, schedulerName: 'nobody' })));
  const name = await eventually(() => podOfJob(scene));
  await must(mallory.merge(pods(namespace, name, 'status'), { status: { phase: 'Unknown' } }));
  const target = { apiVersion: 'v1', kind: 'Node', name: OUTSIDE_NODE };
  await must(mallory.post(pods(namespace, name, 'binding'), { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target }));
};

interface JobObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const COMPLETES: Attack = {
  name: 'old Job completes',
  tries: 'ends, and its controller removes the job-tracking finalizer from the pod',
  before: heldByTheKubelet,
  steps: async (scene) => {
    const { mallory, namespace, admin, signal } = scene;
    const name = (await podOfJob(scene)) ?? '';
    const tracked = await admin.get(POD_KIND, { namespace, name }, signal);
    if (!tracked?.metadata.finalizers?.includes('batch.kubernetes.io/job-tracking')) throw new Error('the pod is not tracked');
    await must(mallory.merge(pods(namespace, name, 'status'), { status: { phase: 'Succeeded' } }));
    await eventually(async () => {
      const { status } = await mallory.read<JobObject>(`${workloadPath(JOB, namespace)}/old`);
      return status?.conditions?.some(({ type, status: value }) => type === 'Complete' && value === 'True');
    });
    const ended = await admin.get(POD_KIND, { namespace, name }, signal);
    if ((ended?.metadata.finalizers ?? []).length > 0) throw new Error('the finalizer is still there');
  },
};

const OWNER_GONE: Attack = {
  name: 'old Deployment scaled down and deleted',
  tries: 'deletes a workload whose pods run outside',
  before: async (scene) => {
    await must(scene.mallory.post(workloadPath(DEPLOYMENT, scene.namespace), workloadOf(DEPLOYMENT, 'old', OUT)));
    await eventually(async () => (await podsOf(scene)).filter(({ spec }) => spec.nodeName !== undefined).length === 2);
  },
  steps: async (scene) => {
    const path = `${workloadPath(DEPLOYMENT, scene.namespace)}/old`;
    await must(scene.mallory.merge(path, { spec: { replicas: 1 } }));
    await eventually(async () => (await podsOf(scene)).length === 1);
    await must(scene.mallory.delete(path));
    await eventually(async () => (await podsOf(scene)).length === 0);
  },
};

/**
 * Operations on legacy pods, in the form of attacks because they need the same set-up; each must
 * succeed.
 */
export const LEGACY_PODS: readonly Attack[] = [UPDATES, COMPLETES, OWNER_GONE];
