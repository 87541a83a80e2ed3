import { LEGACY_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import { ISTANBUL, type NodeText } from '../harness/node-places.ts';
import type { Answer } from './attacker.ts';
import { expression, INSIDE, type PodSpec, podOf, pods, requiring, termOf } from './bodies.ts';
import { type Attack, bindingTried, controllerTried, type Scene, settled } from './scene.ts';
import { DAEMON_SET, DEPLOYMENT, JOB, type Workload, workloadOf, workloadPath } from './workload-attacks.ts';

/**
 * Nodes that lie outside and whose label says a region inside. Each is the only node for the pods
 * of its scene, which both locks admit by what they ask for.
 */

/** A node whose region label was taken from another one. */
const SWAPPED: NodeText = { region: INSIDE, zone: 'us-east-1a', providerID: 'aws:///us-east-1a/i-0a' };
/** A zone of an allowed region that lies in a country outside. */
const ABROAD: NodeText = { region: 'eu-central-1', zone: ISTANBUL, providerID: `aws:///${ISTANBUL}/i-0b` };

/** Confined, and for the scene's node only. */
const onlyNode = ({ node }: Scene, { region = INSIDE }: NodeText): PodSpec => ({
  nodeSelector: { [REGION_LABEL]: region, 'kubernetes.io/hostname': node },
  tolerations: [{ operator: 'Exists' }],
});

const mustTake = async (scene: Scene, path: string, body: object): Promise<void> => {
  const { accepted, text } = await scene.mallory.post(path, body);
  if (!accepted) throw new Error(`a confined pod is refused: ${text}`);
};

const waitForNode = async (scene: Scene, text: NodeText, more: PodSpec = {}): Promise<void> =>
  mustTake(scene, pods(scene.namespace), podOf('attack', { ...onlyNode(scene, text), ...more }));

const pod = (name: string, tries: string, text: NodeText, more: PodSpec = {}): Attack => ({
  name: `place: ${name}`,
  tries,
  ownNode: text,
  steps: (scene) => waitForNode(scene, text, more),
});

const LIARS: readonly Attack[] = [
  pod('swapped label', 'labels a node of another region as one inside', SWAPPED),
  pod('providerID elsewhere', 'has a node whose providerID alone is honest', {
    region: INSIDE,
    zone: 'eu-west-1a',
    providerID: 'aws:///us-east-1a/i-0c',
  }),
  pod('zone elsewhere', 'has a node whose zone alone is honest', {
    region: INSIDE,
    zone: 'us-east-1a',
    providerID: 'aws:///eu-west-1a/i-0d',
  }),
  pod('zone elsewhere, no providerID', 'leaves the providerID out', { region: INSIDE, zone: 'us-east-1a' }),
  pod('providerID elsewhere, no zone', 'leaves the zone out', { region: INSIDE, providerID: 'aws:///us-east-1a/i-0e' }),
  pod('zone of a region inside', 'takes a zone of another allowed region', {
    region: INSIDE,
    zone: 'eu-central-1a',
    providerID: 'aws:///eu-central-1a/i-0f',
  }),
  pod('unknown zone', 'takes a zone that the catalogue does not have', { region: INSIDE, providerID: 'aws:///ap-unknown-9a/i-10' }),
  pod('Google Cloud', 'labels a node of another provider', { region: INSIDE, providerID: 'gce://project/us-central1-a/node' }),
  pod('Alibaba Cloud', 'labels a node of Alibaba Cloud in Germany as one in Ireland', {
    region: INSIDE,
    providerID: 'eu-central-1.i-gw80000000000000000a',
  }),
  pod('Alibaba Cloud, by scheme', 'does it with the other form of a providerID', {
    region: INSIDE,
    providerID: 'alicloud://eu-central-1.i-gw80000000000000000b',
  }),
  pod('Oracle Cloud', 'labels a node of Oracle Cloud', { region: INSIDE, providerID: 'oci://ocid1.instance.oc1.us-ashburn-1.abcd' }),
];

const ABROADS: readonly Attack[] = [
  pod('zone abroad', 'runs in a zone that its region has in another country', ABROAD),
  pod('zone abroad, no providerID', 'leaves the providerID out', { region: 'eu-central-1', zone: ISTANBUL }),
  pod('zone abroad, no zone', 'leaves the label of the zone out', { region: 'eu-central-1', providerID: `aws:///${ISTANBUL}/i-11` }),
  pod('zone abroad, hidden', 'labels it as another zone of the region', {
    region: 'eu-central-1',
    zone: 'eu-central-1a',
    providerID: `aws:///${ISTANBUL}/i-12`,
  }),
  pod('zone abroad by its name', 'selects the zone, beside its region', ABROAD, {
    affinity: requiring(termOf({ key: ZONE_LABEL, operator: 'In', values: [ISTANBUL] }))['affinity'],
  }),
];

const workload = (kind: Workload, name: string, text: NodeText): Attack => ({
  name: `place: ${name}, a ${kind.kind}`,
  tries: `does it by a ${kind.kind}`,
  ownNode: text,
  steps: async (scene) => {
    await mustTake(scene, workloadPath(kind, scene.namespace), workloadOf(kind, 'attack', onlyNode(scene, text)));
    await controllerTried(scene);
  },
});

/** The controller names the node itself, so that only its binding is judged. */
const daemonSet = (name: string, text: NodeText): Attack => workload(DAEMON_SET, name, text);

const WAYS: readonly Attack[] = [
  ...[DEPLOYMENT, JOB].flatMap((kind) => [workload(kind, 'swapped label', SWAPPED), workload(kind, 'zone abroad', ABROAD)]),
  daemonSet('swapped label', SWAPPED),
  daemonSet('zone abroad', ABROAD),
  {
    name: 'place: by affinity',
    tries: 'requires both allowed regions, and tolerates all',
    ownNode: SWAPPED,
    steps: (scene) =>
      mustTake(
        scene,
        pods(scene.namespace),
        podOf('attack', {
          nodeSelector: { 'kubernetes.io/hostname': scene.node },
          tolerations: [{ operator: 'Exists' }],
          ...requiring(termOf(expression('In', INSIDE, 'eu-central-1'))),
        }),
      ),
  },
  {
    name: 'place: behind a gate',
    tries: 'lets a pod go that was confined while it was held',
    ownNode: ABROAD,
    steps: async (scene) => {
      await waitForNode(scene, ABROAD, { schedulingGates: [{ name: 'example.com/hold' }] });
      await scene.mallory.merge(pods(scene.namespace, 'attack'), { spec: { schedulingGates: null } });
    },
  },
  {
    name: 'place: from before the policy',
    tries: 'has a pod wait from before the policy for a node that comes to fit',
    ownNode: SWAPPED,
    before: ({ mallory, namespace }) =>
      mallory
        .post(pods(namespace), podOf('attack', { schedulingGates: [{ name: 'example.com/hold' }], tolerations: [{ operator: 'Exists' }] }))
        .then(() => undefined),
    steps: async (scene) => {
      const spec = { ...onlyNode(scene, SWAPPED), schedulingGates: null };
      await scene.mallory.merge(pods(scene.namespace, 'attack'), { spec });
    },
  },
];

const nodePath = ({ node }: Scene, ...rest: string[]): string => ['/api/v1/nodes', node, ...rest].join('/');
const labels = (values: Readonly<Record<string, string | null>>): object => ({ metadata: { labels: values } });
const escaped = (key: string): string => `/metadata/labels/${key.replace('/', '~1')}`;

/** Hides what shows that a node lies outside; then a pod waits for it. */
const hiding = (name: string, tries: string, text: NodeText, hide: (scene: Scene) => Promise<Answer>): Attack => ({
  name: `place: ${name}`,
  tries,
  ownNode: text,
  steps: async (scene) => {
    await hide(scene);
    await waitForNode(scene, text);
    await settled(scene);
    // The scheduler may have tried before the change showed.
    await bindingTried(scene);
  },
});

const { providerID: _, ...UNNAMED } = ABROAD;

const HIDDEN: readonly Attack[] = [
  hiding('zone renamed', 'gives a node abroad another zone of its region', UNNAMED, (scene) =>
    scene.meddler.merge(nodePath(scene), labels({ [ZONE_LABEL]: 'eu-central-1a' })),
  ),
  hiding('zone renamed by nodes/status', 'does it by the status subresource', UNNAMED, (scene) =>
    scene.meddler.merge(nodePath(scene, 'status'), labels({ [ZONE_LABEL]: 'eu-central-1a' })),
  ),
  hiding('zone renamed by JSON patch', 'does it by a JSON patch of both keys', UNNAMED, (scene) =>
    scene.meddler.jsonPatch(nodePath(scene), [
      { op: 'add', path: escaped(LEGACY_ZONE_LABEL), value: 'eu-central-1a' },
      { op: 'replace', path: escaped(ZONE_LABEL), value: 'eu-central-1a' },
    ]),
  ),
  hiding('zone removed', 'takes the label of the zone off', UNNAMED, (scene) =>
    scene.meddler.merge(nodePath(scene), labels({ [ZONE_LABEL]: null })),
  ),
  hiding('region and zone made to fit', 'has a swapped label agree with the zone', { region: INSIDE, zone: 'us-east-1a' }, (scene) =>
    scene.meddler.merge(nodePath(scene), labels({ [ZONE_LABEL]: 'eu-west-1a' })),
  ),
];

/** Ways to run on a node outside whose label says a region inside. */
export const PLACE_ATTACKS: readonly Attack[] = [...LIARS, ...ABROADS, ...WAYS, ...HIDDEN];
