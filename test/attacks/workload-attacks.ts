import { eventually } from '../harness/waiting.ts';
import { expression, INSIDE, nodeByName, OUTSIDE_NODE, type PodSpec, podOf, requiring, termOf } from './bodies.ts';
import { type Attack, controllerTried, isRefused, podsOf, type Scene } from './scene.ts';

export interface Workload {
  readonly kind: string;
  readonly api: string;
  readonly plural: string;
  readonly spec: (template: object) => object;
}

const LABELS = { app: 'attack' };
const selector = { matchLabels: LABELS };

export const DEPLOYMENT: Workload = {
  kind: 'Deployment',
  api: 'apps/v1',
  plural: 'deployments',
  spec: (template) => ({ replicas: 2, selector, template }),
};
export const DAEMON_SET: Workload = {
  kind: 'DaemonSet',
  api: 'apps/v1',
  plural: 'daemonsets',
  spec: (template) => ({ selector, template }),
};
export const JOB: Workload = { kind: 'Job', api: 'batch/v1', plural: 'jobs', spec: (template) => ({ template }) };
const CRON_JOB: Workload = {
  kind: 'CronJob',
  api: 'batch/v1',
  plural: 'cronjobs',
  spec: (template) => ({ schedule: '* * * * *', jobTemplate: { spec: { template } } }),
};

const WORKLOADS: readonly Workload[] = [
  DEPLOYMENT,
  { kind: 'ReplicaSet', api: 'apps/v1', plural: 'replicasets', spec: (template) => ({ replicas: 2, selector, template }) },
  {
    kind: 'StatefulSet',
    api: 'apps/v1',
    plural: 'statefulsets',
    spec: (template) => ({ replicas: 1, serviceName: 'attack', selector, template }),
  },
  {
    kind: 'ReplicationController',
    api: 'v1',
    plural: 'replicationcontrollers',
    spec: (template) => ({ replicas: 2, selector: LABELS, template }),
  },
  JOB,
];

const once = ({ kind }: Workload): object => (kind === 'Job' || kind === 'CronJob' ? { restartPolicy: 'Never' } : {});

export const workloadPath = ({ api, plural }: Workload, namespace: string): string =>
  `${api === 'v1' ? '/api/v1' : `/apis/${api}`}/namespaces/${namespace}/${plural}`;

export const workloadOf = (workload: Workload, name: string, pod: PodSpec): object => {
  const { spec } = podOf(name, { ...once(workload), ...pod }) as { spec: object };
  return { apiVersion: workload.api, kind: workload.kind, metadata: { name }, spec: workload.spec({ metadata: { labels: LABELS }, spec }) };
};

const create = async (scene: Scene, workload: Workload, pod: PodSpec): Promise<void> => {
  const { accepted } = await scene.mallory.post(workloadPath(workload, scene.namespace), workloadOf(workload, 'attack', pod));
  if (!accepted) return;
  await controllerTried(scene);
  if (workload === DAEMON_SET) await everyNodeTried(scene);
};

interface DaemonSetObject {
  readonly status: { readonly desiredNumberScheduled: number };
}

/** The controller creates the pods of all nodes in batches. */
const everyNodeTried = (scene: Scene): Promise<unknown> =>
  eventually(async () => {
    const { status } = await scene.mallory.read<DaemonSetObject>(`${workloadPath(DAEMON_SET, scene.namespace)}/attack`);
    const { desiredNumberScheduled: wanted } = status;
    return (wanted > 0 && (await podsOf(scene)).length >= wanted) || isRefused(scene);
  });

const byController = (workload: Workload, what: string, tries: string, pod: PodSpec): Attack => ({
  name: `${workload.kind} ${what}`,
  tries,
  steps: (scene) => create(scene, workload, pod),
});

/** Attack by a CronJob. The shortest schedule is a minute; an overdue run starts at once. */
const CRON: Attack = {
  name: 'CronJob without a region',
  tries: 'lets the CronJob and Job controllers create the pod',
  steps: async (scene) => {
    const { mallory, namespace, admin, signal } = scene;
    const { accepted } = await mallory.post(workloadPath(CRON_JOB, namespace), workloadOf(CRON_JOB, 'attack', {}));
    if (!accepted) return;
    const status = { lastScheduleTime: new Date(Date.now() - 90_000).toISOString().replace(/\.\d+/, '') };
    const path = `${workloadPath(CRON_JOB, namespace)}/attack/status`;
    await admin.raw({ method: 'PATCH', path, body: { status }, contentType: 'application/merge-patch+json' }, signal);
    await controllerTried(scene);
  },
};

/** Attack by a Deployment whose template is admitted with a region, and then loses it. */
const CHANGED: Attack = {
  name: 'Deployment that loses its region',
  tries: 'rolls a confined Deployment over to a template without a region',
  steps: async (scene) => {
    const { mallory, namespace } = scene;
    await create(scene, DEPLOYMENT, { nodeSelector: { 'topology.kubernetes.io/region': INSIDE } });
    const { accepted } = await mallory.merge(`${workloadPath(DEPLOYMENT, namespace)}/attack`, {
      spec: { strategy: { type: 'Recreate', rollingUpdate: null }, template: { spec: { nodeSelector: null } } },
    });
    if (accepted) await controllerTried(scene, ({ spec }) => spec.nodeSelector === undefined);
  },
};

export const WORKLOAD_ATTACKS: readonly Attack[] = [
  ...WORKLOADS.map((workload) => byController(workload, 'without a region', 'lets a controller make the pods', {})),
  CRON,
  CHANGED,
  byController(DEPLOYMENT, 'with a nodeName', 'names the node in the template', { nodeName: OUTSIDE_NODE }),
  byController(
    JOB,
    'with a free second term',
    'hides the free term in a template',
    requiring(termOf(expression('In', INSIDE)), termOf({ key: 'kubernetes.io/os', operator: 'Exists' })),
  ),
  byController(DAEMON_SET, 'over all nodes', 'lets the DaemonSet controller, whose pods are admitted by their shape, cover every node', {}),
  byController(DAEMON_SET, 'of another region', 'selects nodes outside only', {
    nodeSelector: { 'topology.kubernetes.io/region': 'us-east-1' },
  }),
  byController(DAEMON_SET, 'with a nodeName', 'names the node in the template', { nodeName: OUTSIDE_NODE }),
  byController(DAEMON_SET, 'by name of a node', 'names the node by field in the template', requiring(nodeByName(OUTSIDE_NODE))),
];
