import type { KubeObject, ObjectMeta } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { KubeApiError, type KubeClient, objectPath, POD_KIND, type Pod } from '@fso/shared/kube';
import { waitFor } from '../harness/waiting.ts';
import { isUntemplated, keyOf, labelsOf, ownerOf, type PatchStep, setField, WORKLOAD_KINDS, type WorkloadKind } from './workload.ts';

interface WorkloadRef {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
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
  /** Owners with pods that no node takes. DaemonSets are not among them. */
  readonly unschedulable: readonly string[];
  /** Owners with pods that have a node. */
  readonly bound: readonly string[];
  /** Pods of each DaemonSet that have no node. */
  readonly waiting: Readonly<Record<string, number>>;
}

/** Workloads of a cluster, and the restart of all of them. */
export class WorkloadCluster {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  /** The first pods of workloads that have no template, by key. */
  readonly #untemplated = new Map<string, Pick<KubeObject, 'metadata'>>();

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async create({ kind, namespace, name }: WorkloadRef, spec: object, metadata: Partial<ObjectMeta> = {}): Promise<void> {
    if (isUntemplated(kind)) {
      const body = { metadata: { ...metadata, labels: labelsOf(kind, name), namespace, name: `${name}-1` }, spec };
      this.#untemplated.set(keyOf({ kind, namespace, name }), body);
      await this.#client.create(POD_KIND, body as Pod, {}, this.#signal);
      return;
    }
    await this.#client.create(WORKLOAD_KINDS[kind], { metadata: { ...metadata, namespace, name }, spec } as KubeObject, {}, this.#signal);
  }

  async patch({ kind, ...ref }: WorkloadRef, steps: readonly PatchStep[]): Promise<void> {
    const path = objectPath(WORKLOAD_KINDS[kind], ref);
    await this.#client.raw({ method: 'PATCH', path, body: steps, contentType: 'application/json-patch+json' }, this.#signal);
  }

  /** The pods of workloads that are not about to go. */
  async pods(): Promise<readonly Pod[]> {
    const pods = await this.#client.list(POD_KIND, { labelSelector: 'owner' }, this.#signal);
    return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Starts a Job of a CronJob, as `kubectl create job --from` does. */
  async startJob({ namespace, name }: Pick<WorkloadRef, 'namespace' | 'name'>, suffix: string): Promise<void> {
    const cronJob = await this.#get({ kind: 'CronJob', namespace, name });
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid: cronJob.metadata.uid ?? '', controller: true }];
    await this.create({ kind: 'Job', namespace, name: `${name}-${suffix}` }, cronJob.spec?.jobTemplate?.spec ?? {}, { ownerReferences });
  }

  /**
   * Deletes every pod, starts every CronJob, and what is scaled to zero or suspended, and asks for
   * pods again that have no template; returns once the deleted pods are gone.
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

  /** Reads what became of the pods. */
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

  /** Asks for a pod as its operator does; the audit log says what came of it. */
  async #createAgain(ref: WorkloadRef): Promise<void> {
    const body = this.#untemplated.get(keyOf(ref));
    if (body === undefined) throw new Error(`${keyOf(ref)} had no pod`);
    const next = { ...body, metadata: { ...body.metadata, name: `${ref.name}-2` } } as Pod;
    await this.#client.create(POD_KIND, next, {}, this.#signal).catch((error: unknown) => {
      if (!(error instanceof KubeApiError) || error.status !== 403) throw error;
    });
  }

  async #start(workload: WorkloadRef): Promise<void> {
    if (isUntemplated(workload.kind)) return this.#createAgain(workload);
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
