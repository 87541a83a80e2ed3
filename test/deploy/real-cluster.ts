import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type LocalCluster, startLocalCluster } from '@fso/clusters/local';
import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import {
  DEPLOYMENT_KIND,
  type KindDescriptor,
  NAMESPACE_KIND,
  NODE_KIND,
  objectPath,
  POD_KIND,
  type Pod,
  refOf,
  SECRET_KIND,
  type Secret,
} from '@fso/shared/kube';
import { openApi, parseManifest, objectPath as pathOf } from '../../clusters/local/api.ts';
import { kubeletClientArgs } from '../../clusters/local/pki/pki.ts';
import { clusterPaths } from '../../clusters/local/state.ts';
import { LOCAL_TOOLS } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { Helm, type Release } from '../harness/helm.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { NODE_TOOL } from '../harness/tools.ts';
import type { Target } from '../harness/uninstall-view.ts';
import { eventually, never } from '../harness/waiting.ts';
import { startClusterDns } from './cluster-dns.ts';
import { type Images, PAUSE_IMAGE, REGISTRY } from './images.ts';
import { RealNode } from './node.ts';
import { networkOf } from './node-files.ts';

const STATEFUL_SETS: KindDescriptor<Workload> = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespaced: true };
const SERVICES: KindDescriptor<Service> = { apiVersion: 'v1', kind: 'Service', plural: 'services', namespaced: true };
const VOLUMES: KindDescriptor = { apiVersion: 'v1', kind: 'PersistentVolume', plural: 'persistentvolumes', namespaced: false };
const GATEKEEPER_IMAGE = `${REGISTRY}/gatekeeper:test`;
/** Nodes share the processors of this machine: ten times what the slowest start takes there. */
const PATIENCE_MS = 1_800_000;
const GATEKEEPER = { namespace: 'gatekeeper-system', deployments: ['gatekeeper-controller-manager', 'gatekeeper-audit'] };

interface Workload extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

interface RunningPod extends Pod {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

interface Service extends KubeObject {
  readonly spec?: { readonly clusterIP?: string };
}

export interface RealClusterOptions {
  readonly name: string;
  /** Other than those of the clusters beside it. */
  readonly number: number;
  /** Absent: the node has none. */
  readonly region?: string;
  readonly images: Pick<Images, 'pause'>;
}

const isRolledOut = ({ metadata, spec, status }: Workload): boolean => {
  const wanted = spec?.replicas ?? 1;
  const counts = [status?.replicas, status?.updatedReplicas, status?.readyReplicas];
  return status?.observedGeneration === metadata['generation'] && counts.every((count) => count === wanted);
};

/** A control plane with one real node, and Helm. {@link close} ends it and removes what it left. */
export class RealCluster extends AgentHarness {
  readonly name: string;
  readonly node: RealNode;
  readonly #cluster: LocalCluster;
  /** Removed at the end. */
  readonly folder: string;
  readonly #helm: Helm;
  #endDns: () => Promise<void> = async () => undefined;

  private constructor(cluster: LocalCluster, node: RealNode, folder: string, helm: Helm) {
    super(cluster.kubeconfig, never);
    this.name = cluster.name;
    this.node = node;
    this.#cluster = cluster;
    this.folder = folder;
    this.#helm = helm;
  }

  static async start({ name, number, region, images }: RealClusterOptions): Promise<RealCluster> {
    const log = (line: string): void => console.log(line);
    const { node: programs = '', ...tools } = await ensureTools({ env: process.env, log, modules: [...LOCAL_TOOLS, NODE_TOOL] }, never);
    const folder = await mkdtemp(join(tmpdir(), `fso-deploy-${name}-`));
    const helm = await Helm.open(folder, never);
    const network = networkOf(number);
    const apiServerArgs = [
      // Pods come from the node, by its cable and not by the loopback interface.
      '--bind-address=0.0.0.0',
      `--advertise-address=${network.gateway}`,
      '--endpoint-reconciler-type=lease',
      // No kube-proxy here: webhooks are called at the addresses of their pods.
      '--enable-aggregator-routing=true',
      ...kubeletClientArgs(clusterPaths(folder, name)),
    ];
    const cluster = await startLocalCluster({ name, stateDir: folder, regions: [], gatekeeper: false, apiServerArgs, tools }, never);
    // It would play the kubelet of the real node, too.
    await cluster.kill('kwok');
    const starting = RealNode.start({ cluster, clusterFolder: clusterPaths(folder, name).dir, programs, region, network });
    const node = await starting.catch(async (error: unknown) => {
      await cluster.stop();
      throw error;
    });
    const real = new RealCluster(cluster, node, folder, helm);
    try {
      await node.importImage(await images.pause());
      real.#endDns = await startClusterDns(network.gateway, (namespace, service) => real.#clusterIp(namespace, service));
      await real.#nodeReady();
      return real;
    } catch (error) {
      await real.close();
      throw error;
    }
  }

  async #nodeReady(): Promise<void> {
    await eventually(async () => {
      const node = await this.client.get(NODE_KIND, { name: this.node.name }, this.signal);
      const { conditions = [] } = (node as RunningPod | undefined)?.status ?? {};
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    });
  }

  /** Gatekeeper's own manifest, with an image that the node has. */
  async gatekeeperManifest(images: Images): Promise<string> {
    const { gatekeeper = '' } = await ensureTools({ env: process.env, log: () => undefined }, never);
    await this.node.importImage(await images.gatekeeper(join(gatekeeper, 'gatekeeper'), GATEKEEPER_IMAGE));
    return (
      readFileSync(join(gatekeeper, 'gatekeeper.yaml'), 'utf8')
        .replaceAll(/image: openpolicyagent\/gatekeeper:\S+/g, `image: ${GATEKEEPER_IMAGE}`)
        .replaceAll('imagePullPolicy: Always', 'imagePullPolicy: Never')
        // One node, with as many processors as this machine has.
        .replace('replicas: 3', 'replicas: 1')
    );
  }

  /** Gatekeeper from its own manifest, as pods. */
  async installGatekeeper(images: Images): Promise<void> {
    const manifest = await this.gatekeeperManifest(images);
    const api = openApi(this.kubeconfig);
    for (const object of parseManifest(manifest)) await eventually(() => api.apply(pathOf(object), object).then(() => true));
    api.close();
    // The pod that makes the certificate looks for it in its volume at longer and longer intervals:
    // one that finds it there starts at once.
    const { namespace } = GATEKEEPER;
    const certificate = { namespace, name: 'gatekeeper-webhook-server-cert' };
    await eventually(async () => (await this.client.get(SECRET_KIND, certificate, this.signal))?.data?.['tls.crt']);
    const first = await this.pods(namespace);
    for (const { metadata } of first) await this.client.delete(POD_KIND, { namespace, name: metadata.name }, this.signal);
    await eventually(async () =>
      (await this.pods(namespace)).every(({ metadata }) => first.every((pod) => pod.metadata.uid !== metadata.uid)),
    );
    for (const name of GATEKEEPER.deployments) await this.rolledOut(namespace, name);
    // It is asked for every namespace, also in a dry run.
    await eventually(() => this.client.create(NAMESPACE_KIND, { metadata: { name: 'gatekeeper-answers' } }, { dryRun: true }, this.signal));
  }

  /** A namespace whose pods Kubernetes restricts. */
  async makeRestrictedNamespace(name: string): Promise<void> {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await this.client.apply(NAMESPACE_KIND, { metadata: { name, labels } }, { fieldManager: 'test' }, this.signal);
  }

  async makeSecret(namespace: string, name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
    await this.client.apply(SECRET_KIND, { metadata: { namespace, name }, stringData } as Secret, { fieldManager: 'test' }, this.signal);
  }

  /**
   * Volumes on the node for the claims to come, which a cluster with a storage class makes itself.
   */
  async makeVolumes(count: number): Promise<void> {
    for (let made = 0; made < count; made += 1) {
      const path = await mkdtemp(join(this.folder, 'volume-'));
      const here = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [this.node.name] }] };
      const spec = {
        capacity: { storage: '5Gi' },
        accessModes: ['ReadWriteOnce'],
        local: { path },
        nodeAffinity: { required: { nodeSelectorTerms: [here] } },
      };
      const metadata = { name: basename(path).toLowerCase() };
      await this.client.apply(VOLUMES, { metadata, spec } as KubeObject, { fieldManager: 'test' }, this.signal);
    }
  }

  async #clusterIp(namespace: string, name: string): Promise<string | undefined> {
    return (await this.client.get(SERVICES, { namespace, name }, this.signal))?.spec?.clusterIP;
  }

  /** Address of a Service, reachable from this machine. */
  async serviceAddress(namespace: string, name: string): Promise<string> {
    const address = (await this.#clusterIp(namespace, name)) ?? '';
    await this.node.route(address);
    return address;
  }

  /** Gives an address to a Service of type LoadBalancer, like a cloud. */
  async giveAddress(namespace: string, name: string, address: string): Promise<void> {
    const path = `${objectPath(SERVICES, { namespace, name })}/status`;
    const body = { status: { loadBalancer: { ingress: [{ ip: address, ipMode: 'VIP' }] } } };
    await this.client.raw({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' }, this.signal);
    await this.node.route(address);
  }

  /** Installs a chart, or brings it to other values, and waits until its pods are ready. */
  async install(release: Release): Promise<void> {
    await this.#helm.install(release, this.kubeconfig);
    await this.rolledOut(release.namespace, basename(release.chart));
  }

  /** Goes back to the revision before, and waits until its pods are ready. */
  async rollback(release: Release): Promise<void> {
    await this.#helm.rollback(release, this.kubeconfig);
    await this.rolledOut(release.namespace, basename(release.chart));
  }

  uninstall(release: Release): Promise<void> {
    return this.#helm.uninstall(release, this.kubeconfig);
  }

  /** The objects that a chart makes. */
  async targetsOf(release: Release): Promise<readonly Target[]> {
    const objects = await this.#helm.render(release);
    return Promise.all(objects.map(async (object) => ({ kind: await this.kindOf(object), ref: refOf(object) })));
  }

  async rolledOut(namespace: string, name: string): Promise<void> {
    await eventually(async () => {
      const ref = { namespace, name };
      const kinds = [DEPLOYMENT_KIND as KindDescriptor<Workload>, STATEFUL_SETS];
      const [workload] = (await Promise.all(kinds.map((kind) => this.client.get(kind, ref, this.signal)))).filter(
        (found) => found !== undefined,
      );
      if (workload !== undefined && isRolledOut(workload)) return true;
      throw new Error(
        `${name}: ${JSON.stringify(workload?.status)}; pods: ${JSON.stringify((await this.pods(namespace)).map(({ status }) => status))}`,
      );
    }, PATIENCE_MS);
  }

  pods(namespace: string): Promise<RunningPod[]> {
    return this.client.list(POD_KIND as KindDescriptor<RunningPod>, { namespace }, this.signal);
  }

  /**
   * Creates a pod that must be in a region. @returns what the API server says: '' when it is
   * admitted
   */
  async createPod(namespace: string, name: string, region: string): Promise<string> {
    const containers = [{ name: 'main', image: PAUSE_IMAGE, imagePullPolicy: 'Never' }];
    const pod = {
      metadata: { name, namespace },
      spec: { containers, nodeSelector: { [REGION_LABEL]: region }, terminationGracePeriodSeconds: 0 },
    };
    return refusalOf(this.client.create(POD_KIND, pod, {}, this.signal));
  }

  /** Waits until the container of a pod runs. */
  async runs(namespace: string, name: string): Promise<void> {
    await eventually(async () =>
      (await this.pods(namespace)).some(({ metadata, status }) => metadata.name === name && status?.phase === 'Running'),
    );
  }

  override async close(): Promise<void> {
    await this.#endDns();
    await super.close();
    await this.#cluster.stop();
    await this.node.clean();
    await rm(this.folder, { recursive: true, force: true });
  }
}
