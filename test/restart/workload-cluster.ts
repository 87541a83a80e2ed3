import type { KubeObject, ObjectMeta } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { KubeApiError, type KubeClient, objectPath, POD_KIND, type Pod } from '@fso/shared/kube';
import { waitFor } from '../harness/waiting.ts';
import { isUntemplated, keyOf, labelsOf, ownerOf, type PatchStep, setField, WORKLOAD_KINDS, type WorkloadKind } from './workload.ts';

interface WorkloadRef {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
  /** Whether it is a finished Job that is created again at a restart. */
  readonly isRerun?: boolean;
}

interface WorkloadObject extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly suspend?: boolean; readonly jobTemplate?: { readonly spec: object } };
}

const isUnschedulable = ({ status }: Pod): boolean => {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type: string; status: string; reason?: string }[] };
  return conditions.some(({ type, status: value, reason }) => type === 'PodScheduled' && value === 'False' && reason === 'Unschedulable');
};

/** Outcomes of the pods of a cluster, by owner. */
export interface PodOutcomes {
  /** Owners with pods that no node accepts, except DaemonSets. */
  readonly unschedulable: readonly string[];
  /** Owners with pods that have a node. */
  readonly bound: readonly string[];
  /** Number of pods without a node, by DaemonSet. */
  readonly waiting: Readonly<Record<string, number>>;
}

/** Workloads of a cluster, and the restart of all of them. */
export class WorkloadCluster {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  /** Objects as they were created, by key of the workload. */
  readonly #bodies = new Map<string, KubeObject>();

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async create({ kind, namespace, name }: WorkloadRef, spec: object, metadata: Partial<ObjectMeta> = {}): Promise<void> {
    const own = isUntemplated(kind) ? { labels: labelsOf(kind, name), name: `${name}-1` } : { name };
    const body = { metadata: { ...metadata, ...own, namespace }, spec } as KubeObject;
    this.#bodies.set(keyOf({ kind, namespace, name }), body);
    await this.#client.create(WORKLOAD_KINDS[kind], body, {}, this.#signal);
  }

  async patch({ kind, ...ref }: WorkloadRef, steps: readonly PatchStep[]): Promise<void> {
    const path = objectPath(WORKLOAD_KINDS[kind], ref);
    await this.#client.raw({ method: 'PATCH', path, body: steps, contentType: 'application/json-patch+json' }, this.#signal);
  }

  /** Returns the pods of workloads that are not being deleted. */
  async pods(): Promise<readonly Pod[]> {
    const pods = await this.#client.list(POD_KIND, { labelSelector: 'owner' }, this.#signal);
    return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Starts a Job of a CronJob, like `kubectl create job --from`. */
  async startJob({ namespace, name }: Pick<WorkloadRef, 'namespace' | 'name'>, suffix: string): Promise<void> {
    const cronJob = await this.#get({ kind: 'CronJob', namespace, name });
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid: cronJob.metadata.uid ?? '', controller: true }];
    await this.create({ kind: 'Job', namespace, name: `${name}-${suffix}` }, cronJob.spec?.jobTemplate?.spec ?? {}, { ownerReferences });
  }

  /**
   * Deletes every pod. Starts every CronJob, and all workloads that are scaled to zero or
   * suspended. Recreates pods without a template and finished Jobs. Returns once the deleted pods
   * are gone.
   */
  async restart(workloads: readonly WorkloadRef[]): Promise<void> {
    const before = new Set((await this.pods()).map(({ metadata }) => metadata.uid));
    for (const namespace of new Set(workloads.map((each) => each.namespace)))
      await this.#client.raw({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}/pods` }, this.#signal);
    for (const workload of workloads) await this.#start(workload);
    await waitFor(async () => {
      const left = (await this.pods()).filter(({ metadata }) => before.has(metadata.uid));
      if (left.length > 0) throw new Error(`${left.length} pods of before are still there`);
    });
  }

  /** Reads the outcomes of the pods. */
  async outcomes(): Promise<PodOutcomes> {
    const pods = await this.pods();
    const owners = (is: (pod: Pod) => boolean): readonly string[] =>
      [...new Set(pods.filter(is).map(({ metadata }) => ownerOf(metadata) ?? ''))].sort(byText);
    const isDaemon = ({ metadata }: Pod): boolean => metadata.labels?.['owner'] === 'DaemonSet';
    const waiting = pods.filter((pod) => isDaemon(pod) && pod.spec.nodeName === undefined);
    return {
      unschedulable: owners((pod) => !isDaemon(pod) && isUnschedulable(pod)),
      bound: owners(({ spec }) => spec.nodeName !== undefined),
      waiting: Object.fromEntries(
        [...Map.groupBy(waiting, ({ metadata }) => ownerOf(metadata) ?? '')].map(([key, each]) => [key, each.length]),
      ),
    };
  }

  /** Creates a pod like its operator. The audit log records the result. */
  async #createPod(ref: WorkloadRef): Promise<void> {
    const body = this.#bodyOf(ref);
    const next = { ...body, metadata: { ...body.metadata, name: `${ref.name}-2` } };
    const ask = async (): Promise<void> => {
      await this.#client.create(WORKLOAD_KINDS.Pod, next, {}, this.#signal).catch((error: unknown) => {
        if (!(error instanceof KubeApiError) || error.status !== 403) throw error;
      });
    };
    // A webhook on a busy machine may take longer than the API server waits.
    await waitFor(ask);
  }

  async #makeAgain(ref: WorkloadRef): Promise<void> {
    const kind = WORKLOAD_KINDS[ref.kind];
    await this.#client.delete(kind, ref, this.#signal);
    // The object exists until the previous one is gone.
    await waitFor(() => this.#client.create(kind, this.#bodyOf(ref), {}, this.#signal));
  }

  #bodyOf(ref: WorkloadRef): KubeObject {
    const body = this.#bodies.get(keyOf(ref));
    if (body === undefined) throw new Error(`${keyOf(ref)} was not created here`);
    return body;
  }

  async #start(workload: WorkloadRef): Promise<void> {
    if (isUntemplated(workload.kind)) return this.#createPod(workload);
    if (workload.isRerun === true) return this.#makeAgain(workload);
    if (workload.kind === 'CronJob') return this.startJob(workload, 'now');
    const { spec } = await this.#get(workload);
    if (spec?.replicas === 0) return this.patch(workload, [setField('/spec/replicas', 1)]);
    if (spec?.suspend === true) return this.patch(workload, [setField('/spec/suspend', false)]);
  }

  async #get({ kind, ...ref }: WorkloadRef): Promise<WorkloadObject> {
    const object = await this.#client.get<WorkloadObject>(WORKLOAD_KINDS[kind], ref, this.#signal);
    if (object === undefined) throw new Error(`${keyOf({ kind, ...ref })} is not there`);
    return object;
  }
}
