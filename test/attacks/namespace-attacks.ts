import { KEY_PREFIX } from '@fso/shared/api';
import { NAMESPACE_KIND, POD_KIND } from '@fso/shared/kube';
import { eventually } from '../harness/waiting.ts';
import type { Answer } from './attacker.ts';
import { core, OUTSIDE_NODE, podOf, pods } from './bodies.ts';
import type { Attack, Scene } from './scene.ts';

interface NamespaceObject {
  metadata: { labels?: Record<string, string>; annotations?: Record<string, string>; managedFields?: unknown; [field: string]: unknown };
  [field: string]: unknown;
}

const pathOf = ({ namespace }: Scene, ...rest: string[]): string => ['/api/v1/namespaces', namespace, ...rest].join('/');

const keysOf = (values: Record<string, string> = {}): string[] => Object.keys(values).filter((key) => key.startsWith(KEY_PREFIX));
const all = (keys: readonly string[], value: string | null): Record<string, string | null> =>
  Object.fromEntries(keys.map((key) => [key, value]));

/** A merge patch that removes every key of this system. */
const stripping = async ({ meddler }: Scene, path: string): Promise<object> => {
  const { metadata } = await meddler.read<NamespaceObject>(path);
  return { metadata: { labels: all(keysOf(metadata.labels), null), annotations: all(keysOf(metadata.annotations), null) } };
};

const stripped = ({ metadata, ...rest }: NamespaceObject): NamespaceObject => ({
  ...rest,
  metadata: { name: metadata['name'], resourceVersion: metadata['resourceVersion'], uid: metadata['uid'] },
});

/** Retries an update with an old version, because others change the namespace too. */
const untilTaken = (attempt: () => Promise<Answer>): Promise<Answer> =>
  eventually(async () => {
    try {
      return await attempt();
    } catch (error) {
      if ((error as { status?: number }).status === 409) return undefined;
      throw error;
    }
  });

/** Tries at once and without pause, to find a lock that opens for an instant. */
const PODS_AT_ONCE = 12;
const RACES_AT_ONCE = 8;

const pour = async ({ mallory }: Pick<Scene, 'mallory'>, namespace: string): Promise<void> => {
  const names = Array.from({ length: PODS_AT_ONCE }, (_item, index) => `attack-${index}`);
  await Promise.all(names.map((name) => mallory.post(pods(namespace), podOf(name, {}))));
};

const relabelling = (name: string, tries: string, change: (scene: Scene) => Promise<unknown>): Attack => ({
  name: `namespace: ${name}`,
  tries,
  steps: async (scene) => {
    await change(scene);
    await pour(scene, scene.namespace);
  },
});

const LABELS: readonly Attack[] = [
  relabelling('PATCH', 'removes the labels and annotations of governance', async (scene) => {
    await scene.meddler.merge(pathOf(scene), await stripping(scene, pathOf(scene)));
  }),
  relabelling('UPDATE', 'writes the namespace without labels and annotations', (scene) =>
    untilTaken(async () => scene.meddler.put(pathOf(scene), stripped(await scene.meddler.read<NamespaceObject>(pathOf(scene))))),
  ),
  relabelling('namespaces/status', 'removes them by the status subresource', async (scene) => {
    await scene.meddler.merge(pathOf(scene, 'status'), await stripping(scene, pathOf(scene)));
  }),
  relabelling('namespaces/finalize', 'removes them by the finalize subresource', (scene) =>
    untilTaken(async () =>
      scene.meddler.put(pathOf(scene, 'finalize'), stripped(await scene.meddler.read<NamespaceObject>(pathOf(scene)))),
    ),
  ),
  relabelling('other regions', 'writes an outside region into the annotations', async (scene) => {
    const { metadata } = await scene.meddler.read<NamespaceObject>(pathOf(scene));
    const annotations = all(
      [...keysOf(metadata.annotations), `${KEY_PREFIX}floor-deny-regions`].filter((key) => key.endsWith('regions')),
      'us-east-1',
    );
    await scene.meddler.merge(pathOf(scene), { metadata: { annotations } });
  }),
  relabelling('released', 'marks the namespace as released', async (scene) => {
    const { metadata } = await scene.meddler.read<NamespaceObject>(pathOf(scene));
    const labels = all([...keysOf(metadata.labels), `${KEY_PREFIX}floor-deny`], 'released');
    await scene.meddler.merge(pathOf(scene), { metadata: { labels } });
  }),
  relabelling('ignored by Gatekeeper', 'labels the namespace so that Gatekeeper leaves it alone', async (scene) => {
    await scene.meddler.merge(pathOf(scene), { metadata: { labels: { 'admission.gatekeeper.sh/ignore': 'yes' } } });
  }),
  relabelling('by apply', 'takes the labels over by server-side apply with force', async (scene) => {
    const { metadata } = await scene.meddler.read<NamespaceObject>(pathOf(scene));
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: scene.namespace, labels: all(keysOf(metadata.labels), 'off') } };
    await scene.meddler.apply(pathOf(scene), body);
  }),
];

/**
 * The API server requires no service account for a mirror pod, so such a pod need not wait for one.
 */
const MIRROR = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
const WORKERS = 4;
const MOST_TRIES = 60;

/**
 * Tries without pause, from before the creation of the namespace, until a pod is admitted, or the
 * namespace is refused.
 */
const flood = async ({ meddler }: Scene, namespace: string, worker: number, refused: AbortSignal): Promise<void> => {
  for (let attempt = 0; attempt < MOST_TRIES && !refused.aborted; attempt += 1) {
    const { accepted } = await meddler.post(
      pods(namespace),
      podOf(`attack-${worker}-${attempt}`, { nodeName: OUTSIDE_NODE }, MIRROR),
      [404],
    );
    if (accepted) return;
  }
};

/**
 * Creates the namespace while others already try to create pods in it; then its service account,
 * and ordinary pods.
 */
const race = async (scene: Scene, namespace: string, metadata: object = {}): Promise<void> => {
  const { meddler } = scene;
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, ...metadata } };
  scene.namespaces.push(namespace);
  const refused = new AbortController();
  const flooding = Array.from({ length: WORKERS }, (_item, worker) => flood(scene, namespace, worker, refused.signal));
  const { accepted } = await meddler.post('/api/v1/namespaces', body);
  if (accepted) {
    await meddler.post(
      core(namespace, 'serviceaccounts'),
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
      [409],
    );
    await pour({ mallory: meddler }, namespace);
  } else {
    refused.abort();
  }
  await Promise.all(flooding);
};

const preset = {
  labels: { [`${KEY_PREFIX}floor-deny`]: 'released', [`${KEY_PREFIX}enforcement-action`]: 'released' },
  annotations: { [`${KEY_PREFIX}floor-deny-regions`]: 'us-east-1', [`${KEY_PREFIX}allowed-regions`]: 'us-east-1' },
};

const RACES: readonly Attack[] = [
  {
    name: 'namespace: new, before it is governed',
    tries: "creates namespaces that the policy's pattern matches, and pods in them at once",
    steps: async (scene) => {
      const suffixes = Array.from({ length: RACES_AT_ONCE }, (_item, index) => `${index}`);
      await Promise.all(suffixes.map((suffix) => race(scene, scene.freshNamespace(suffix))));
    },
  },
  {
    name: 'namespace: new, with preset labels',
    tries: 'creates it with labels of a released namespace, and regions of the attacker',
    steps: (scene) => race(scene, scene.freshNamespace('preset'), preset),
  },
  {
    name: 'namespace: new, as governed elsewhere',
    tries: 'creates it as if it were governed already, for an outside region',
    steps: (scene) =>
      race(scene, scene.freshNamespace('as-governed'), {
        labels: { [`${KEY_PREFIX}floor-deny`]: 'active' },
        annotations: preset.annotations,
      }),
  },
  {
    name: 'namespace: new, ignored by Gatekeeper',
    tries: "creates it with Gatekeeper's ignore label",
    harmlessBecause: 'Gatekeeper takes that label on its own namespace only',
    steps: (scene) => race(scene, scene.freshNamespace('ignored'), { labels: { 'admission.gatekeeper.sh/ignore': 'yes' } }),
  },
  {
    name: 'namespace: deleted and created again',
    tries: 'deletes the governed namespace, creates it again and creates pods in it at once',
    steps: async (scene) => {
      const { meddler, admin, namespace, signal } = scene;
      const { accepted } = await meddler.delete(pathOf(scene));
      if (!accepted) return pour({ mallory: meddler }, namespace);
      await eventually(async () => {
        const left = await admin.get(NAMESPACE_KIND, { name: namespace }, signal);
        if (left !== undefined) throw new Error(JSON.stringify(left.status));
        return true;
      });
      await race(scene, namespace);
    },
  },
];

/** A namespace that is being deleted admits no new pods; pods that wait in it may be bound. */
const TERMINATING: Attack = {
  name: 'namespace: being deleted',
  tries: 'binds a pod that a finalizer keeps in a namespace that is being deleted',
  before: async ({ mallory, namespace }) => {
    await mallory.post(pods(namespace), podOf('attack', { schedulerName: 'nobody' }, { finalizers: ['example.com/hold'] }));
  },
  harmlessBecause: 'a deleted pod is bound no more',
  steps: async (scene) => {
    const { meddler, admin, namespace, signal } = scene;
    const { accepted } = await meddler.delete(pathOf(scene));
    const deleted = async (): Promise<boolean> =>
      (await admin.get(POD_KIND, { namespace, name: 'attack' }, signal))?.metadata.deletionTimestamp !== undefined;
    if (accepted) await eventually(deleted);
    const target = { apiVersion: 'v1', kind: 'Node', name: OUTSIDE_NODE };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'attack' }, target };
    await meddler.post(pods(namespace, 'attack', 'binding'), binding, [404, 409]);
  },
};

export const NAMESPACE_ATTACKS: readonly Attack[] = [...LABELS, ...RACES, TERMINATING];
