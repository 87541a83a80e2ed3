import { REGION_LABEL } from '@fso/shared/api';
import { NODE_KIND } from '@fso/shared/kube';
import { anywhere, expression, INSIDE, inside, OUTSIDE, OUTSIDE_NODE, podOf, pods, requiring, termOf, waiting } from './bodies.ts';
import { type Attack, bindingTried, type Scene, settled } from './scene.ts';

const GATES = { schedulingGates: [{ name: 'example.com/hold' }] };
const OPEN = { spec: { schedulingGates: null } };
/** Kubernetes itself refuses it: placement is immutable. */
const IMMUTABLE = [422];

const gatedBefore = async ({ mallory, namespace }: Scene): Promise<void> => {
  await mallory.post(pods(namespace), podOf('attack', GATES));
};

/** A selector that no node matches until the administrator prepares the scene. */
const stageOf = ({ namespace }: Scene): string => `stage-${namespace}`;

const GATED: readonly Attack[] = [
  {
    name: 'gate opened',
    tries: 'a pod from before the policy, held by a gate, is let go',
    before: gatedBefore,
    steps: async ({ mallory, namespace }) => {
      await mallory.merge(pods(namespace, 'attack'), OPEN);
    },
  },
  {
    name: 'gate opened by UPDATE',
    tries: 'the same by a full update, as a controller would',
    before: gatedBefore,
    steps: async ({ mallory, namespace }) => {
      const pod = await mallory.read<{ spec: Record<string, unknown> }>(pods(namespace, 'attack'));
      await mallory.put(pods(namespace, 'attack'), { ...pod, spec: { ...pod.spec, schedulingGates: [] } });
    },
  },
  {
    name: 'gate opened with a nodeSelector outside',
    tries: 'opens the gate and selects another region in one step',
    before: gatedBefore,
    steps: async ({ mallory, namespace }) => {
      await mallory.merge(pods(namespace, 'attack'), { spec: { ...OPEN.spec, nodeSelector: { [REGION_LABEL]: OUTSIDE } } });
    },
  },
  {
    name: 'gated pod given an affinity with a free term',
    tries: 'first the affinity, then the gate',
    before: gatedBefore,
    steps: async ({ mallory, namespace }) => {
      await mallory.merge(pods(namespace, 'attack'), { spec: requiring(termOf(expression('In', INSIDE)), termOf(anywhere)) });
      await mallory.merge(pods(namespace, 'attack'), OPEN);
    },
  },
  {
    name: 'gated pod created and changed under the policy',
    tries: 'a confined, gated pod loses its nodeSelector before its gate',
    harmlessBecause: 'Kubernetes lets a gated pod be narrowed only',
    steps: async ({ mallory, namespace }) => {
      await mallory.post(pods(namespace), podOf('attack', { ...inside, ...GATES }));
      await mallory.merge(pods(namespace, 'attack'), { spec: { nodeSelector: null } }, [422, 404]);
      await mallory.merge(pods(namespace, 'attack'), { spec: { nodeSelector: { [REGION_LABEL]: OUTSIDE } } }, [422, 404]);
      await mallory.merge(pods(namespace, 'attack'), OPEN, [404]);
    },
  },
  {
    name: 'gated without a region under the policy',
    tries: 'uses a gate as an excuse to name no region yet',
    steps: async ({ mallory, namespace }) => {
      const { accepted } = await mallory.post(pods(namespace), podOf('attack', GATES));
      if (accepted) await mallory.merge(pods(namespace, 'attack'), OPEN);
    },
  },
];

/** The administrator prepares the scene by adding capacity; the pod is the attacker's. */
const PENDING: readonly Attack[] = [
  {
    name: 'pending from before the policy',
    tries: 'a pod that found no node before the policy finds one outside after it',
    ownNode: { region: OUTSIDE },
    before: async (scene) => {
      await scene.mallory.post(
        pods(scene.namespace),
        podOf('attack', { nodeSelector: { stage: stageOf(scene) }, tolerations: [{ operator: 'Exists' }] }),
      );
      await settled(scene);
    },
    steps: async (scene) => {
      const patch = { metadata: { labels: { stage: stageOf(scene) } } };
      await scene.admin.mergePatch(NODE_KIND, { name: scene.node }, patch, scene.signal);
      await bindingTried(scene);
    },
  },
  {
    name: 'waiting for a binder from before the policy',
    tries: 'a pod of no scheduler from before the policy is bound by its owner',
    before: async ({ mallory, namespace }) => {
      await mallory.post(pods(namespace), podOf('attack', { schedulerName: 'nobody' }));
    },
    steps: async ({ mallory, namespace }) => {
      const target = { apiVersion: 'v1', kind: 'Node', name: OUTSIDE_NODE };
      await mallory.post(pods(namespace, 'attack', 'binding'), { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'attack' }, target });
    },
  },
];

const placed = async (scene: Scene): Promise<void> => {
  await scene.mallory.post(pods(scene.namespace), podOf('attack', inside));
  await settled(scene);
};

const CONTAINER = { name: 'debugger', image: 'registry.k8s.io/pause:3.10', targetContainerName: 'main' };

/** Updates of placed pods. In current Kubernetes none of these moves a pod; a new field may. */
const PLACED: readonly Attack[] = [
  {
    name: 'moved by an update',
    tries: 'a placed pod gets another nodeName',
    harmlessBecause: 'placement is immutable',
    steps: async (scene) => {
      await placed(scene);
      await scene.mallory.merge(pods(scene.namespace, 'attack'), { spec: { nodeName: OUTSIDE_NODE } }, IMMUTABLE);
      await scene.mallory.merge(pods(scene.namespace, 'attack'), { spec: { nodeSelector: { [REGION_LABEL]: OUTSIDE } } }, IMMUTABLE);
    },
  },
  {
    name: 'nodeName by an update',
    tries: 'a waiting pod gets a nodeName by an update instead of a binding',
    harmlessBecause: 'nodeName is set by a binding only',
    steps: async ({ mallory, namespace }) => {
      await mallory.post(pods(namespace), podOf('attack', waiting));
      await mallory.merge(pods(namespace, 'attack'), { spec: { nodeName: OUTSIDE_NODE } }, IMMUTABLE);
    },
  },
  {
    name: 'ephemeral containers',
    tries: 'moves a placed pod by its ephemeralcontainers subresource',
    harmlessBecause: 'only the containers are taken from it',
    steps: async (scene) => {
      await placed(scene);
      const spec = { ephemeralContainers: [CONTAINER], nodeName: OUTSIDE_NODE };
      await scene.mallory.merge(pods(scene.namespace, 'attack', 'ephemeralcontainers'), { spec }, IMMUTABLE);
      await scene.mallory.merge(pods(scene.namespace, 'attack', 'ephemeralcontainers'), { spec: { ephemeralContainers: [CONTAINER] } });
    },
  },
  {
    name: 'resize',
    tries: 'moves a placed pod by its resize subresource',
    harmlessBecause: 'only the resources are taken from it',
    steps: async (scene) => {
      await placed(scene);
      const resources = { requests: { cpu: '10m' } };
      const spec = { containers: [{ name: 'main', resources }], nodeName: OUTSIDE_NODE, nodeSelector: { [REGION_LABEL]: OUTSIDE } };
      await scene.mallory.send(
        {
          method: 'PATCH',
          path: pods(scene.namespace, 'attack', 'resize'),
          body: { spec },
          contentType: 'application/strategic-merge-patch+json',
        },
        IMMUTABLE,
      );
    },
  },
  {
    name: 'status',
    tries: 'moves a pod, or nominates an outside node for it, by its status subresource',
    harmlessBecause: 'the spec is not taken from it, and the scheduler judges a nominated node as any other',
    steps: async (scene) => {
      await placed(scene);
      const patch = { spec: { nodeName: OUTSIDE_NODE }, status: { nominatedNodeName: OUTSIDE_NODE, hostIP: '10.0.0.1', phase: 'Pending' } };
      await scene.mallory.merge(pods(scene.namespace, 'attack', 'status'), patch, IMMUTABLE);
      await scene.mallory.post(pods(scene.namespace), podOf('nominated', { ...inside, ...GATES }));
      await scene.mallory.merge(pods(scene.namespace, 'nominated', 'status'), { status: { nominatedNodeName: OUTSIDE_NODE } }, IMMUTABLE);
      await scene.mallory.merge(pods(scene.namespace, 'nominated'), OPEN);
    },
  },
];

export const UPDATE_ATTACKS: readonly Attack[] = [...GATED, ...PENDING, ...PLACED];
