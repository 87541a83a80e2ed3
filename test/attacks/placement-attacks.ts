import { LEGACY_REGION_LABEL, REGION_LABEL } from '@fso/shared/api';
import {
  anywhere,
  expression,
  INSIDE,
  inside,
  nodeByName,
  OUTSIDE,
  OUTSIDE_NODE,
  type PodSpec,
  podOf,
  pods,
  requiring,
  termOf,
  UNLABELLED_NODE,
} from './bodies.ts';
import type { Attack, Scene } from './scene.ts';
import { DAEMON_SET, workloadOf, workloadPath } from './workload-attacks.ts';

const create = async ({ mallory, namespace }: Scene, spec: PodSpec, metadata: object = {}): Promise<void> => {
  await mallory.post(pods(namespace), podOf('attack', spec, metadata));
};

const placement = (name: string, tries: string, spec: PodSpec, metadata: object = {}): Attack => ({
  name,
  tries,
  steps: (scene) => create(scene, spec, metadata),
});

interface Owner {
  readonly metadata: { readonly uid: string };
}

/**
 * An owner that exists, so that Kubernetes does not collect the pod as garbage; it has no pods of
 * its own.
 */
const ownedByDaemonSet = async (scene: Scene): Promise<object> => {
  const path = workloadPath(DAEMON_SET, scene.namespace);
  await scene.mallory.post(path, workloadOf(DAEMON_SET, 'forged', { nodeSelector: { stage: 'none' } }));
  const { metadata } = await scene.mallory.read<Owner>(`${path}/forged`);
  return { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'forged', uid: metadata.uid, controller: true }] };
};

const preferring = {
  affinity: {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: termOf(expression('In', INSIDE)) }] },
  },
};

/** All fields of a `kubectl debug node/…` pod. */
const debugger_: PodSpec = {
  nodeName: OUTSIDE_NODE,
  hostPID: true,
  hostNetwork: true,
  hostIPC: true,
  restartPolicy: 'Never',
  tolerations: [{ operator: 'Exists' }],
  volumes: [{ name: 'host-root', hostPath: { path: '/' } }],
};

/**
 * Attacks by the placement of the pod itself, without a template or an update: it allows too much.
 */
const SPECS: readonly Attack[] = [
  placement('no region', 'has no constraint on the region', {}),
  placement('other region', 'selects a region that is not allowed', { nodeSelector: { [REGION_LABEL]: OUTSIDE } }),
  placement(
    'free second term',
    'one term names an allowed region, the next is free',
    requiring(termOf(expression('In', INSIDE)), termOf(anywhere)),
  ),
  placement(
    'second term elsewhere',
    'one term inside, one outside',
    requiring(termOf(expression('In', INSIDE)), termOf(expression('In', OUTSIDE))),
  ),
  placement(
    'In with a region too many',
    'lists another region among the allowed ones',
    requiring(termOf(expression('In', INSIDE, OUTSIDE))),
  ),
  placement('NotIn', 'excludes one region, and so allows nodes without any', requiring(termOf(expression('NotIn', INSIDE)))),
  placement(
    'NotIn and Exists',
    'excludes one region of those that exist',
    requiring(termOf(expression('NotIn', INSIDE), expression('Exists'))),
  ),
  placement('Exists', 'asks only that there be a region', requiring(termOf(expression('Exists')))),
  placement('DoesNotExist', 'asks for a node without a region', requiring(termOf(expression('DoesNotExist')))),
  {
    ...placement('Gt', 'compares the region as a number', requiring(termOf(expression('Gt', '1')))),
    harmlessBecause: 'no region of this cluster is a number',
  },
  {
    ...placement('Lt', 'compares the region as a number', requiring(termOf(expression('Lt', '1')))),
    harmlessBecause: 'no region of this cluster is a number',
  },
  {
    ...placement('legacy key', 'selects an allowed region by the deprecated key', { nodeSelector: { [LEGACY_REGION_LABEL]: INSIDE } }),
    // The arena's unlabelled node carries the legacy key, which proves nothing.
  },
  placement('preferred only', 'prefers an allowed region and requires none', preferring),
  placement('empty term beside a free one', 'hides a free term behind one that matches nothing', requiring({}, termOf(anywhere))),
  placement(
    'zone',
    'selects an allowed zone prefix by another key',
    requiring(termOf({ key: 'topology.kubernetes.io/zone', operator: 'Exists' })),
  ),
  placement('matchFields', 'names a node by field', requiring(nodeByName(OUTSIDE_NODE))),
  placement(
    'matchFields NotIn',
    'excludes a node by field',
    requiring({ matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['eu-west-1-a'] }] }),
  ),
  placement('nodeName', 'names an outside node at creation, which skips the scheduler', { nodeName: OUTSIDE_NODE }),
  placement('nodeName of a node without region', 'names the node that has no region', { nodeName: UNLABELLED_NODE }),
  placement('nodeName of no node', 'names a node that does not exist (yet)', { nodeName: 'to-be-registered' }),
  placement('nodeName beside an allowed nodeSelector', 'looks confined, and bypasses the scheduler', {
    ...inside,
    nodeName: UNLABELLED_NODE,
  }),
  placement('debug node', 'has the shape that kubectl debug node/… makes', debugger_),
  placement(
    'mirror pod by annotation',
    'claims to be the record of a static pod',
    { nodeName: OUTSIDE_NODE },
    { annotations: { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'file' } },
  ),
  placement(
    'privileged priority',
    'uses a priority class of the system, and labels that may be trusted',
    { priorityClassName: 'system-node-critical' },
    { labels: { 'k8s-app': 'kube-proxy', 'admission.gatekeeper.sh/ignore': 'true', 'compliance.gov/floor-deny': 'released' } },
  ),
];

const APPLIED: Attack = {
  name: 'created by apply',
  tries: 'creates the pod by server-side apply, a PATCH',
  steps: async ({ mallory, namespace }) => {
    await mallory.apply(pods(namespace, 'attack'), podOf('attack', {}));
  },
};

const GENERATED: Attack = {
  name: 'generateName',
  tries: 'lets the API server choose the name, so that no rule by name applies',
  steps: async ({ mallory, namespace }) => {
    const pod = podOf('', {}, { name: undefined, generateName: 'attack-' });
    await mallory.post(pods(namespace), pod);
  },
};

const DAEMON_SET_SHAPE: Attack = {
  name: 'DaemonSet shape',
  tries: 'forges the owner and the node term of a DaemonSet pod',
  steps: async (scene) => create(scene, requiring(nodeByName(OUTSIDE_NODE)), await ownedByDaemonSet(scene)),
};

const ACCOUNT: Attack = {
  name: 'service account called like the DaemonSet controller',
  tries: 'creates a service account daemon-set-controller in its own namespace and, as this, a DaemonSet-shaped pod',
  steps: async (scene) => {
    const { namespace } = scene;
    const controller = await scene.as(`system:serviceaccount:${namespace}:daemon-set-controller`, [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
    ]);
    await controller.post(pods(namespace), podOf('attack', requiring(nodeByName(OUTSIDE_NODE)), await ownedByDaemonSet(scene)));
  },
};

export const PLACEMENT_ATTACKS: readonly Attack[] = [...SPECS, APPLIED, GENERATED, DAEMON_SET_SHAPE, ACCOUNT];
