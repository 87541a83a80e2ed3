import type { LocalCluster } from '@fso/clusters/local';
import { LEGACY_REGION_LABEL, REGION_LABEL } from '@fso/shared/api';
import { createInformers, type KindDescriptor, type KubeClient, NODE_KIND, type Node, POD_KIND, type Pod } from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { acceptPlaces, CATALOG, type NodeText, nodeAt } from '../harness/node-places.ts';
import { eventually } from '../harness/waiting.ts';
import { Attacker } from './attacker.ts';
import { INSIDE, OUTSIDE, UNLABELLED_NODE } from './bodies.ts';

export const ALLOWED: readonly string[] = ['eu-central-1', INSIDE];

/** Copies a node's region from the cloud; trusted by default. */
export const CLOUD_CONTROLLER = 'system:serviceaccount:kube-system:cloud-node-controller';

const RBAC = 'rbac.authorization.k8s.io';
const roles: KindDescriptor = { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false };
const clusterBindings: KindDescriptor = {
  apiVersion: `${RBAC}/v1`,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
};
const bindings: KindDescriptor = { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', plural: 'rolebindings', namespaced: true };

const EVERY_WRITE = ['get', 'list', 'create', 'update', 'patch', 'delete'];

/** Rights that attacks need in addition to the role `admin`. */
const MALLORY = [
  { apiGroups: [''], resources: ['pods/binding', 'bindings'], verbs: ['create'] },
  { apiGroups: [''], resources: ['pods/status', 'pods/ephemeralcontainers', 'pods/resize'], verbs: ['get', 'update', 'patch'] },
];
const MEDDLER = [
  { apiGroups: [''], resources: ['namespaces', 'namespaces/status', 'namespaces/finalize', 'nodes', 'nodes/status'], verbs: EVERY_WRITE },
  {
    apiGroups: ['compliance.federated.io', 'templates.gatekeeper.sh', 'constraints.gatekeeper.sh', 'config.gatekeeper.sh'],
    resources: ['*'],
    verbs: EVERY_WRITE,
  },
];

/**
 * A real control plane with nodes in allowed regions, in an outside region and without a region,
 * and users who attack.
 */
export class Arena {
  readonly cluster: LocalCluster;
  readonly admin: KubeClient;
  readonly signal: AbortSignal;
  readonly #clients: KubeClient[] = [];
  /** Regions of the nodes at the start: later labels do not move them. */
  readonly #regions = new Map<string, string | undefined>();
  readonly #outside = new Set<string>();
  readonly #watching = new AbortController();

  private constructor(cluster: LocalCluster, signal: AbortSignal) {
    this.cluster = cluster;
    this.signal = signal;
    this.admin = this.connect(cluster.kubeconfig);
  }

  static async open(name: string, folder: string, signal: AbortSignal, apiServerArgs: readonly string[] = []): Promise<Arena> {
    const regions = [...ALLOWED, OUTSIDE];
    const cluster = await startTestCluster({ name, stateDir: folder, regions, gatekeeper: true, apiServerArgs }, signal);
    const arena = new Arena(cluster, signal);
    try {
      await arena.#prepare();
      await arena.#watch();
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  connect(kubeconfig: string): KubeClient {
    const client = openKubeClient({ kubeconfig });
    this.#clients.push(client);
    return client;
  }

  /** A user with a client certificate of this name. */
  async user(name: string, groups: readonly string[] = []): Promise<Attacker> {
    return new Attacker({ client: this.connect(await this.cluster.createUserKubeconfig(name, groups)), signal: this.signal });
  }

  /** Makes a user an administrator of a namespace, with the rights that the attacks need. */
  async letIn(user: string, namespace: string): Promise<void> {
    for (const role of ['admin', 'attacks-of-mallory']) {
      const name = `${role}-${Buffer.from(user).toString('hex')}`;
      await this.#bind(bindings, { name, namespace }, role, user);
    }
  }

  /**
   * Adds nodes that lie outside, whatever they say, and admit only pods with tolerations; returns
   * when they are ready.
   */
  async addOutsideNodes(nodes: ReadonlyMap<string, NodeText>): Promise<void> {
    const taints = [{ key: 'attack', effect: 'NoSchedule' }];
    for (const [name, text] of nodes) await this.#addNode(name, OUTSIDE, nodeAt(name, text, { taints }));
    await this.#nodesReady();
  }

  /**
   * Every pod of these namespaces that was ever bound to a node outside, also if it is gone, as
   * `namespace/name on node`.
   */
  outside(namespaces: readonly string[]): string[] {
    return [...this.#outside].filter((text) => namespaces.includes(text.slice(0, text.indexOf('/'))));
  }

  /** Records a pod that is bound outside. */
  note({ metadata, spec }: Pod): void {
    const { nodeName } = spec;
    if (nodeName === undefined || this.isInside(nodeName)) return;
    this.#outside.add(`${metadata.namespace}/${metadata.name} on ${nodeName}`);
  }

  /** Whether the policies allow a pod on this node; an unknown node is not allowed. */
  isInside(node: string): boolean {
    return ALLOWED.includes(this.#regions.get(node) ?? '');
  }

  async close(): Promise<void> {
    this.#watching.abort();
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.cluster.stop();
  }

  async #prepare(): Promise<void> {
    const { admin, signal } = this;
    for (const { metadata } of await admin.list(NODE_KIND, {}, signal)) {
      const region = metadata.labels?.[REGION_LABEL];
      this.#regions.set(metadata.name, region);
      if (region === OUTSIDE) continue;
      // If Kubernetes has the choice, it prefers a node outside, so that an unconfined pod shows.
      const taints = [{ key: 'crowded', effect: 'PreferNoSchedule' }];
      await admin.mergePatch(NODE_KIND, { name: metadata.name }, { spec: { taints } }, signal);
    }
    // It claims to be inside, by a key that proves nothing.
    await this.#addNode(UNLABELLED_NODE, undefined, nodeAt(UNLABELLED_NODE, {}, { labels: { [LEGACY_REGION_LABEL]: INSIDE } }));
    await this.#nodesReady();
    await admin.create(roles, { metadata: { name: 'attacks-of-mallory' }, rules: MALLORY } as never, {}, signal);
    await admin.create(roles, { metadata: { name: 'attacks-of-meddler' }, rules: [...MEDDLER, ...MALLORY] } as never, {}, signal);
    await admin.create(
      roles,
      { metadata: { name: 'cloud' }, rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['patch'] }] } as never,
      {},
      signal,
    );
    await this.#bind(clusterBindings, { name: 'cloud' }, 'cloud', CLOUD_CONTROLLER);
    // As of a commit that the agents to come accepted.
    await acceptPlaces(admin, { catalog: CATALOG, provider: 'aws' }, signal);
    for (const role of ['admin', 'attacks-of-meddler']) await this.#bind(clusterBindings, { name: `meddler-${role}` }, role, 'meddler');
  }

  async #watch(): Promise<void> {
    const { signal } = this.#watching;
    const pods = createInformers(this.admin, { logger: createLogger({ name: 'arena', level: 'silent' }) }, signal).informer(POD_KIND);
    pods.onChange((_key, pod) => {
      if (pod !== undefined) this.note(pod);
    });
    await pods.ready(signal);
  }

  async #addNode(name: string, region: string | undefined, node: Node): Promise<void> {
    await this.admin.create(NODE_KIND, node, {}, this.signal);
    this.#regions.set(name, region);
  }

  async #nodesReady(): Promise<void> {
    const isReady = (node: Node): boolean => {
      const { conditions = [] } = (node as { status?: { conditions?: { type: string; status: string }[] } }).status ?? {};
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    };
    await eventually(async () => (await this.admin.list(NODE_KIND, {}, this.signal)).every(isReady));
  }

  async #bind(kind: KindDescriptor, metadata: { name: string; namespace?: string }, role: string, user: string): Promise<void> {
    const body = {
      metadata,
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: user }],
    };
    await this.admin.apply(kind, body, { fieldManager: 'test', force: true }, this.signal);
  }
}
