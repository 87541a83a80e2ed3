import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';

const kind = (apiVersion: string, name: string, plural: string): KindDescriptor => ({ apiVersion, kind: name, plural, namespaced: true });

/** Kinds of owners of pods, as shown. */
export const WORKLOAD_KINDS = {
  Deployment: kind('apps/v1', 'Deployment', 'deployments'),
  StatefulSet: kind('apps/v1', 'StatefulSet', 'statefulsets'),
  DaemonSet: kind('apps/v1', 'DaemonSet', 'daemonsets'),
  ReplicaSet: kind('apps/v1', 'ReplicaSet', 'replicasets'),
  Job: kind('batch/v1', 'Job', 'jobs'),
  CronJob: kind('batch/v1', 'CronJob', 'cronjobs'),
  ReplicationController: kind('v1', 'ReplicationController', 'replicationcontrollers'),
  Pod: kind('v1', 'Pod', 'pods'),
  /** Pods that an operator creates directly. Its custom resource is their controller. */
  Database: kind('v1', 'Pod', 'pods'),
} as const;
export type WorkloadKind = keyof typeof WORKLOAD_KINDS;

/** Whether pods are created one by one, without a readable template. */
export const isUntemplated = (of: string): of is 'Pod' | 'Database' => of === 'Pod' || of === 'Database';

/** Fields of a pod spec that decide where the pod may run. */
export interface Placement {
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: object;
  readonly tolerations?: readonly object[];
}

/** Labels of pods that the webhook of a test acts on. */
export type PodLabels = Readonly<Record<string, string>>;

/** Labels that identify the pods of a workload for {@link ownerOf}. */
const LABELS = { name: 'app', kind: 'owner' } as const;

/** `Deployment finance/web` */
export const keyOf = ({
  kind: of,
  namespace,
  name,
}: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string => `${of} ${namespace}/${name}`;

/** Returns the key of a pod's workload; undefined if it has none. */
export const ownerOf = ({ namespace = '', labels = {} }: Partial<KubeObject['metadata']>): string | undefined => {
  const { [LABELS.kind]: of, [LABELS.name]: name } = labels;
  return of === undefined || name === undefined ? undefined : keyOf({ kind: of, namespace, name });
};

/** Returns the labels of a workload's pods. */
export const labelsOf = (of: WorkloadKind, name: string): PodLabels => ({ [LABELS.name]: name, [LABELS.kind]: of });

interface Pods {
  readonly name: string;
  readonly placement: Placement;
  readonly labels?: PodLabels;
}

/**
 * Returns the spec of a workload with this placement: one pod, or none yet for a Job or CronJob.
 */
export const specOf = (of: WorkloadKind, { name, placement, labels = {} }: Pods) => {
  const app = { [LABELS.name]: name };
  const pod = { ...placement, containers: [{ name: 'main', image: 'app:1' }] };
  const template = {
    metadata: { labels: { ...labelsOf(of, name), ...labels } },
    spec: { ...pod, ...((of === 'Job' || of === 'CronJob') && { restartPolicy: 'Never' }) },
  };
  const selector = { matchLabels: app };
  switch (of) {
    case 'Deployment':
    case 'ReplicaSet':
      return { replicas: 1, selector, template };
    case 'StatefulSet':
      return { replicas: 1, selector, serviceName: name, template };
    case 'DaemonSet':
      return { selector, template };
    case 'ReplicationController':
      return { replicas: 1, selector: app, template };
    case 'Job':
      return { suspend: true, template };
    case 'CronJob':
      return { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: { template } } };
    case 'Pod':
    case 'Database':
      return pod;
  }
};

/** Step of a JSON patch (RFC 6902). */
export interface PatchStep {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** Returns a step that sets a field of an object, and replaces its whole value. */
export const setField = (path: string, value: unknown): PatchStep => ({ op: 'add', path, value });

/** Returns the steps that change the placement of a workload's next pods. */
export const setPlacement = (placement: Placement): readonly PatchStep[] =>
  (['nodeName', 'nodeSelector', 'affinity', 'tolerations'] as const).map((field) =>
    setField(`/spec/template/spec/${field}`, placement[field] ?? null),
  );
