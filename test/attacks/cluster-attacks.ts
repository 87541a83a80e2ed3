import { LABELS, LEGACY_REGION_LABEL, REGION_LABEL, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, NODE_KIND } from '@fso/shared/kube';
import { CLOUD_CONTROLLER } from './arena.ts';
import type { Answer } from './attacker.ts';
import { INSIDE, OUTSIDE, type PodSpec, podOf, pods } from './bodies.ts';
import { type Attack, bindingTried, type Scene, settled } from './scene.ts';

const nodePath = (name: string, ...rest: string[]): string => ['/api/v1/nodes', name, ...rest].join('/');

/** Confined, and for only one node, which is not in the region that the pod requires. */
const waitForNode = async (scene: Scene): Promise<void> => {
  const nodeSelector = { [REGION_LABEL]: INSIDE, 'kubernetes.io/hostname': scene.node };
  const { accepted, text } = await scene.mallory.post(
    pods(scene.namespace),
    podOf('attack', { nodeSelector, tolerations: [{ operator: 'Exists' }] }),
  );
  if (!accepted) throw new Error(`a confined pod is refused: ${text}`);
  await settled(scene);
};

const relabelling = (name: string, tries: string, relabel: (scene: Scene) => Promise<Answer>): Attack => ({
  name: `node: ${name}`,
  tries,
  ownNode: { region: OUTSIDE },
  steps: async (scene) => {
    await waitForNode(scene);
    const { accepted } = await relabel(scene);
    if (accepted) await bindingTried(scene);
  },
});

const labels = (values: Record<string, string | null>): object => ({ metadata: { labels: values } });

/** Copies the deprecated key to the current one, as the cloud node controller does at its start. */
const cloudController = async (scene: Scene): Promise<Answer> => {
  const node = await scene.admin.get(NODE_KIND, { name: scene.node }, scene.signal);
  const cloud = await scene.as(CLOUD_CONTROLLER);
  return cloud.merge(nodePath(scene.node), labels({ [REGION_LABEL]: node?.metadata.labels?.[LEGACY_REGION_LABEL] ?? '' }));
};

const NODES: readonly Attack[] = [
  relabelling('region changed', 'gives an outside node an allowed region', (scene) =>
    scene.meddler.merge(nodePath(scene.node), labels({ [REGION_LABEL]: INSIDE })),
  ),
  relabelling('region changed by nodes/status', 'does it by the status subresource', (scene) =>
    scene.meddler.merge(nodePath(scene.node, 'status'), labels({ [REGION_LABEL]: INSIDE })),
  ),
  relabelling('region changed by JSON patch', 'does it by a JSON patch of both keys', (scene) =>
    scene.meddler.jsonPatch(nodePath(scene.node), [
      { op: 'add', path: `/metadata/labels/${LEGACY_REGION_LABEL.replace('/', '~1')}`, value: INSIDE },
      { op: 'replace', path: `/metadata/labels/${REGION_LABEL.replace('/', '~1')}`, value: INSIDE },
    ]),
  ),
  relabelling('legacy region changed', 'changes the deprecated key, which the cloud node controller then copies', async (scene) => {
    const answer = await scene.meddler.merge(nodePath(scene.node), labels({ [LEGACY_REGION_LABEL]: INSIDE }));
    return answer.accepted ? cloudController(scene) : answer;
  }),
  relabelling('made again', 'deletes an outside node and registers it again in an allowed region', async (scene) => {
    const node = await scene.meddler.read<{ metadata: { labels: object; annotations: object }; spec: { taints: object }; status: object }>(
      nodePath(scene.node),
    );
    await scene.meddler.delete(nodePath(scene.node));
    const { labels: before, annotations } = node.metadata;
    return scene.meddler.post('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: scene.node, labels: { ...before, [REGION_LABEL]: INSIDE }, annotations },
      spec: { taints: node.spec.taints },
      status: node.status,
    });
  }),
];

/** Status codes of a change to a deleted object. */
const GONE = [404];

const policyPath = ({ namespace }: Scene): string =>
  `/apis/compliance.federated.io/v1/namespaces/${SYSTEM_NAMESPACE}/sovereignpolicies/${namespace}`;

/** A change that opens a lock opens it within this time. */
const OPEN_WITHIN_MS = 5_000;

/** Tries pods repeatedly until one is admitted; only once if nothing changed. */
const knock = async ({ mallory, namespace }: Scene, changed: boolean, spec: PodSpec = {}): Promise<void> => {
  const deadline = performance.now() + OPEN_WITHIN_MS;
  for (let attempt = 0; ; attempt += 1) {
    const { accepted } = await mallory.post(pods(namespace), podOf(`attack-${attempt}`, spec));
    if (accepted || !changed || performance.now() > deadline) return;
  }
};

type Change = (scene: Scene) => Promise<readonly Answer[]>;

const anyAccepted = (answers: readonly Answer[]): boolean => answers.some(({ accepted }) => accepted);

const onHubPolicy = (name: string, tries: string, change: Change): Attack => ({
  name: `hub-managed policy: ${name}`,
  tries,
  hubPolicy: true,
  steps: async (scene) => knock(scene, anyAccepted(await change(scene)), { nodeSelector: { [REGION_LABEL]: OUTSIDE } }),
});

const POLICIES: readonly Attack[] = [
  onHubPolicy('regions', 'adds a region to a policy that came from Git', async (scene) => [
    await scene.meddler.merge(policyPath(scene), { spec: { allowedRegions: [INSIDE, OUTSIDE] } }),
  ]),
  onHubPolicy('disowned', 'removes the label that says where it came from, then changes it', async (scene) => [
    await scene.meddler.merge(policyPath(scene), labels({ [LABELS.managedBy]: null })),
    await scene.meddler.merge(policyPath(scene), { spec: { enforcementAction: 'dryrun' } }),
  ]),
  onHubPolicy('expired', 'lets it expire', async (scene) => [
    await scene.meddler.merge(policyPath(scene), { spec: { expiryDate: new Date(Date.now() + 1).toISOString() } }),
  ]),
  onHubPolicy('excluded', 'excludes the namespace from it', async (scene) => [
    await scene.meddler.merge(policyPath(scene), { spec: { excludedNamespaces: [scene.namespace] } }),
  ]),
  onHubPolicy('deleted', 'deletes it, and its finalizer', async (scene) => [
    await scene.meddler.delete(policyPath(scene)),
    await scene.meddler.merge(policyPath(scene), { metadata: { finalizers: null } }, GONE),
  ]),
  onHubPolicy('status', 'writes its status', async (scene) => [
    await scene.meddler.merge(`${policyPath(scene)}/status`, { status: { phase: 'Expired', namespaces: [] } }),
  ]),
];

const CONSTRAINTS = '/apis/constraints.gatekeeper.sh/v1beta1/k8sgeoresidency';
const TEMPLATE = `/apis/templates.gatekeeper.sh/v1/constrainttemplates/${GEO_RESIDENCY_KIND.plural}`;
const CONFIG = '/apis/config.gatekeeper.sh/v1alpha1/namespaces/gatekeeper-system/configs/config';

const eachConstraint = async ({ meddler }: Scene, change: (path: string) => Promise<Answer>): Promise<readonly Answer[]> => {
  const { items } = await meddler.read<{ items: { metadata: { name: string } }[] }>(CONSTRAINTS);
  return Promise.all(items.map(({ metadata }) => change(`${CONSTRAINTS}/${metadata.name}`)));
};

const onLocks = (name: string, tries: string, change: Change): Attack => ({
  name: `locks: ${name}`,
  tries,
  shared: true,
  steps: async (scene) => knock(scene, anyAccepted(await change(scene))),
});

const LOCKS: readonly Attack[] = [
  onLocks('constraint weakened', 'turns every constraint to dryrun', (scene) =>
    eachConstraint(scene, (path) => scene.meddler.merge(path, { spec: { enforcementAction: 'dryrun' } }, GONE)),
  ),
  onLocks('constraint emptied', 'matches no namespace any more', (scene) =>
    eachConstraint(scene, (path) => scene.meddler.merge(path, { spec: { match: { namespaces: ['none'] } } }, GONE)),
  ),
  onLocks('constraint deleted', 'deletes every constraint', (scene) => eachConstraint(scene, (path) => scene.meddler.delete(path, GONE))),
  onLocks('template changed', 'replaces the rules of the template', async ({ meddler }) => {
    const rego = 'package k8sgeoresidency\n\nviolation[{"msg": msg}] {\n  false\n  msg := ""\n}\n';
    const targets = [{ target: 'admission.k8s.gatekeeper.sh', code: [{ engine: 'Rego', source: { rego } }] }];
    return [await meddler.merge(TEMPLATE, { spec: { targets } }, GONE)];
  }),
  {
    ...onLocks('Gatekeeper configured', 'excludes the namespace in the Config of Gatekeeper', async ({ meddler, namespace }) => {
      const match = [{ excludedNamespaces: [namespace], processes: ['*'] }];
      const metadata = { name: 'config', namespace: 'gatekeeper-system' };
      return [await meddler.apply(CONFIG, { apiVersion: 'config.gatekeeper.sh/v1alpha1', kind: 'Config', metadata, spec: { match } })];
    }),
    ownersOfLockTwo: 'users who may configure Gatekeeper may switch it off',
  },
  onLocks('template deleted', 'deletes the template, and with it the constraints', async ({ meddler }) => [
    await meddler.delete(TEMPLATE, GONE),
  ]),
];

export const CLUSTER_ATTACKS: readonly Attack[] = [...NODES, ...POLICIES, ...LOCKS];
