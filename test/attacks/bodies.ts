import { REGION_LABEL } from '@fso/shared/api';

/** A pod spec as a user writes it, with any field of Kubernetes. */
export type PodSpec = Readonly<Record<string, unknown>>;

export const INSIDE = 'eu-west-1';
export const OUTSIDE = 'us-east-1';
export const OUTSIDE_NODE = 'us-east-1-a';
export const UNLABELLED_NODE = 'without-region';

export const CONTAINERS = [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }];

export const inside: PodSpec = { nodeSelector: { [REGION_LABEL]: INSIDE } };
/** Pod that only the attacker's own binder places. */
export const waiting: PodSpec = { ...inside, schedulerName: 'nobody' };

export const podOf = (name: string, spec: PodSpec, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: CONTAINERS, terminationGracePeriodSeconds: 0, ...spec },
});

export const core = (namespace: string, ...rest: string[]): string => ['/api/v1/namespaces', namespace, ...rest].join('/');
export const pods = (namespace: string, ...rest: string[]): string => core(namespace, 'pods', ...rest);

export const expression = (operator: string, ...values: string[]): object =>
  values.length > 0 ? { key: REGION_LABEL, operator, values } : { key: REGION_LABEL, operator };
export const termOf = (...matchExpressions: object[]): object => ({ matchExpressions });
export const requiring = (...nodeSelectorTerms: object[]): PodSpec => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
/** Term that every node matches: it is not empty and does not limit the region. */
export const anywhere: object = { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] };
export const nodeByName = (name: string): object => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] });
