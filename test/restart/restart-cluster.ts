import type { LocalCluster } from '@fso/clusters/local';
import { type KubeObject, type ObjectMeta, REGION_LABEL } from '@fso/shared/api';
import { type KindDescriptor, type KubeClient, NAMESPACE_KIND, NODE_KIND, type Pod } from '@fso/shared/kube';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { waitFor } from '../harness/waiting.ts';
import { INJECTED, TEAMS, WATCHED, type Workload } from './generate-workloads.ts';
import { startPlacementWebhook } from './placement-webhook.ts';
import { PodAudit } from './refusals.ts';
import { type ClusterName, INSIDE, labelNodes, OUTSIDE, regionsOf } from './regions.ts';
import { keyOf, ownerOf } from './workload.ts';
import { WorkloadCluster } from './workload-cluster.ts';

const GROUP = 'databases.example.com';
const DEFINITIONS: KindDescriptor = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
/** Custom resource of an operator, the topmost owner of the objects that it controls. */
const DATABASES: KindDescriptor = { apiVersion: `${GROUP}/v1`, kind: 'Database', plural: 'databases', namespaced: true };

const DEFINITION = {
  metadata: { name: `databases.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { kind: 'Database', plural: 'databases' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
} as KubeObject;

/** Whether a pod runs, or has completed if it belongs to a Job, or was found unschedulable. */
const isSettled = ({ metadata, spec, status }: Pod): boolean => {
  const { phase, conditions = [] } = (status ?? {}) as { phase?: string; conditions?: readonly { type: string; status: string }[] };
  if (spec.nodeName !== undefined) return phase === (metadata.labels?.['owner'] === 'Job' ? 'Succeeded' : 'Running');
  return conditions.some(({ type, status: value }) => type === 'PodScheduled' && value === 'False');
};

/** Control plane with its share of the workloads. */
export class RestartCluster {
  readonly name: ClusterName;
  readonly cluster: LocalCluster;
  readonly client: KubeClient;
  readonly audit: PodAudit;
  readonly pods: WorkloadCluster;
  readonly workloads: readonly Workload[];
  readonly #signal: AbortSignal;
  #endWebhook: (() => Promise<void>) | undefined;

  private constructor(
    { name, cluster, audit }: { name: ClusterName; cluster: LocalCluster; audit: PodAudit },
    workloads: readonly Workload[],
    signal: AbortSignal,
  ) {
    this.name = name;
    this.cluster = cluster;
    this.client = openKubeClient({ kubeconfig: cluster.kubeconfig });
    this.audit = audit;
    this.pods = new WorkloadCluster(this.client, signal);
    this.workloads = workloads.filter((each) => each.cluster === name);
    this.#signal = signal;
  }

  static async start(name: ClusterName, { folder, workloads }: { folder: string; workloads: readonly Workload[] }, signal: AbortSignal) {
    const audit = await PodAudit.open(folder, name);
    const { apiServerArgs } = audit;
    const cluster = await startTestCluster({ name, stateDir: folder, regions: regionsOf(name), gatekeeper: true, apiServerArgs }, signal);
    return new RestartCluster({ name, cluster, audit }, workloads, signal);
  }

  /** Prepares the nodes for the placements, and creates the webhook and all workloads. */
  async fill(): Promise<void> {
    const signal = this.#signal;
    await labelNodes(this.client, this.name, signal);
    this.#endWebhook = await startPlacementWebhook(this.client, { inside: INSIDE.open, outside: OUTSIDE[this.name] }, signal);
    await this.client.create(DEFINITIONS, DEFINITION, {}, signal);
    for (const name of [...TEAMS, WATCHED, INJECTED]) await this.client.create(NAMESPACE_KIND, { metadata: { name } }, {}, signal);
    for (const workload of this.workloads) await this.pods.create(workload, workload.spec, await this.#ownedBy(workload));
    for (const workload of this.workloads) if (workload.startsJob) await this.pods.startJob(workload, 'before');
    await this.#settled();
    for (const workload of this.workloads) if (workload.change.length > 0) await this.pods.patch(workload, workload.change);
    await this.#settled();
  }

  /** Counts the pods that run outside, by the key of their owner. */
  async running(): Promise<ReadonlyMap<string, number>> {
    const nodes = new Map((await this.client.list(NODE_KIND, {}, this.#signal)).map(({ metadata }) => [metadata.name, metadata.labels]));
    const outside = (await this.pods.pods()).filter(
      ({ spec, status }) => status?.phase === 'Running' && nodes.get(spec.nodeName ?? '')?.[REGION_LABEL] === OUTSIDE[this.name],
    );
    return new Map([...Map.groupBy(outside, ({ metadata }) => ownerOf(metadata) ?? '')].map(([key, { length }]) => [key, length]));
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.cluster.stop();
    await this.#endWebhook?.();
  }

  async #ownedBy({ namespace, name, isOfOperator }: Workload): Promise<Partial<ObjectMeta>> {
    if (!isOfOperator) return {};
    const database = { metadata: { namespace, name } } as KubeObject;
    const { object } = await waitFor(() => this.client.create(DATABASES, database, {}, this.#signal));
    const { apiVersion, kind } = DATABASES;
    return { ownerReferences: [{ apiVersion, kind, name, uid: object.metadata.uid ?? '', controller: true }] };
  }

  /** Waits until the controllers have created all pods, and each is scheduled or unschedulable. */
  async #settled(): Promise<void> {
    await waitFor(async () => {
      const pods = await this.pods.pods();
      const having = new Set(pods.filter(isSettled).map(({ metadata }) => ownerOf(metadata)));
      const missing = this.workloads.filter((each) => each.hasPods && !having.has(keyOf(each)));
      if (missing.length > 0) throw new Error(`without pods: ${missing.map(keyOf).join(', ')}`);
      const waiting = pods.filter((pod) => !isSettled(pod));
      if (waiting.length > 0) throw new Error(`not placed yet: ${waiting.map(({ metadata }) => metadata.name).join(', ')}`);
    });
  }
}
