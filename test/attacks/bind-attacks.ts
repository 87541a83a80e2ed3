import { REGION_LABEL } from '@fso/shared/api';
import type { Answer, Attacker } from './attacker.ts';
import { core, INSIDE, OUTSIDE_NODE, podOf, pods, UNLABELLED_NODE, waiting } from './bodies.ts';
import type { Attack, Scene } from './scene.ts';

interface Target {
  readonly kind?: string;
  readonly name: string;
  readonly [field: string]: unknown;
}

const bindingOf = (target: Target, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Binding',
  metadata: { name: 'attack', ...metadata },
  target: { apiVersion: 'v1', kind: 'Node', ...target },
});

/** Kubernetes itself refuses some of the attempts, e.g. a kind other than Node. */
const NATURAL = [400, 404, 409, 422];

const bind = (who: Attacker, { namespace }: Scene, binding: object): Promise<Answer> =>
  who.post(pods(namespace, 'attack', 'binding'), binding, NATURAL);

/** A pod that both locks admit and that no scheduler of the cluster handles. */
const wait = async ({ mallory, namespace }: Scene): Promise<void> => {
  const { accepted, text } = await mallory.post(pods(namespace), podOf('attack', waiting));
  if (!accepted) throw new Error(`a confined pod is refused: ${text}`);
};

const binding = (name: string, tries: string, target: Target, metadata: object = {}): Attack => ({
  name: `bind: ${name}`,
  tries,
  steps: async (scene) => {
    await wait(scene);
    await bind(scene.mallory, scene, bindingOf(target, metadata));
  },
});

const forged = { labels: { [REGION_LABEL]: INSIDE } };

const TARGETS: readonly Attack[] = [
  binding('a node outside', 'binds a confined pod by hand', { name: OUTSIDE_NODE }),
  binding('empty kind', 'leaves the kind of the target out, so that no region is copied', { kind: '', name: OUTSIDE_NODE }),
  binding('empty kind, forged region', 'and brings a region of its own', { kind: '', name: OUTSIDE_NODE }, forged),
  {
    ...binding('other kind', 'calls the node a Minion', { kind: 'Minion', name: OUTSIDE_NODE }, forged),
    harmlessBecause: 'the API server knows nodes only',
  },
  binding('node without a region', 'takes the node that has no region', { name: UNLABELLED_NODE }),
  binding('node without a region, forged region', 'says the region of that node itself', { name: UNLABELLED_NODE }, forged),
  binding('outside node, forged region', 'says an allowed region for a node outside', { name: OUTSIDE_NODE }, forged),
  binding('node that does not exist', 'binds to a name that a node may take later', { name: 'to-be-registered' }),
  binding('node that does not exist, forged region', 'and says its region', { name: 'to-be-registered' }, forged),
  binding(
    'target in another namespace',
    'fills the unused fields of the target',
    { name: OUTSIDE_NODE, namespace: 'default', apiVersion: '' },
    forged,
  ),
];

const LEGACY: Attack = {
  name: 'bind: legacy route',
  tries: 'posts the Binding to the bindings of the namespace',
  steps: async (scene) => {
    await wait(scene);
    await scene.mallory.post(core(scene.namespace, 'bindings'), bindingOf({ name: OUTSIDE_NODE }), NATURAL);
  },
};

const LEGACY_FORGED: Attack = {
  name: 'bind: legacy route, forged region',
  tries: 'posts a Binding with an allowed region to the bindings of the namespace',
  steps: async (scene) => {
    await wait(scene);
    await scene.mallory.post(core(scene.namespace, 'bindings'), bindingOf({ name: UNLABELLED_NODE }, forged), NATURAL);
  },
};

/** Names that a comparison by prefix, by suffix or without case would accept as the scheduler's. */
const LOOKALIKES = ['system:kube-scheduler-2', 'system:kube-schedule', 'System:Kube-Scheduler', 'my-system:kube-scheduler'];

const lookalike = (user: string): Attack => ({
  name: `bind: as ${user}`,
  tries: 'uses nearly the name of the scheduler',
  steps: async (scene) => {
    await wait(scene);
    const binder = await scene.as(user);
    await bind(binder, scene, bindingOf({ name: UNLABELLED_NODE }, forged));
    await bind(binder, scene, bindingOf({ name: OUTSIDE_NODE }, forged));
  },
});

const ACCOUNT: Attack = {
  name: 'bind: as a service account called kube-scheduler',
  tries: 'creates a service account kube-scheduler in its own namespace',
  steps: async (scene) => {
    await wait(scene);
    const binder = await scene.as(`system:serviceaccount:${scene.namespace}:kube-scheduler`, [
      'system:serviceaccounts',
      `system:serviceaccounts:${scene.namespace}`,
    ]);
    await bind(binder, scene, bindingOf({ name: UNLABELLED_NODE }, forged));
    await bind(binder, scene, bindingOf({ name: OUTSIDE_NODE }));
  },
};

export const BIND_ATTACKS: readonly Attack[] = [...TARGETS, LEGACY, LEGACY_FORGED, ...LOOKALIKES.map(lookalike), ACCOUNT];
