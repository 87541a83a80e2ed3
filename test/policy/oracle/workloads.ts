import type { KubeObject } from '@fso/shared/api';
import type { PlacementSpec } from '@fso/shared/residency';
import fc from 'fast-check';
import { FREE_NAMESPACE, ofWorlds } from './cases.ts';
import { acceptedPlacement } from './placements.ts';
import type { GovernedNamespace } from './types.ts';

/** Kinds of objects that make pods; a Pod is one that nothing makes again. */
export const KINDS = ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'ReplicationController', 'Pod'] as const;

/** A workload in a namespace of a world, or in the one that is excluded. */
export interface Workload {
  readonly kind: (typeof KINDS)[number];
  readonly name: string;
  readonly governed: GovernedNamespace;
  /** Spec of its pods, as the API server takes it. */
  readonly pod: PlacementSpec;
}

/** A namespace that no policy governs has no regions to be confined to. */
const FREE: GovernedNamespace = { namespace: FREE_NAMESPACE, policies: [], regions: [] };

export const isFree = ({ governed }: Pick<Workload, 'governed'>): boolean => governed.policies.length === 0;

const toleration = fc.constantFrom(
  { operator: 'Exists' },
  { key: 'dedicated', operator: 'Equal', value: 'db', effect: 'NoSchedule' },
  { key: 'dedicated', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 },
);
const labelSelector = { matchLabels: { app: 'x' } };
const spread = fc
  .constantFrom('topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'kubernetes.io/hostname')
  .map((topologyKey) => ({ maxSkew: 1, topologyKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector }));
const podTerm = fc
  .constantFrom('topology.kubernetes.io/region', 'topology.kubernetes.io/zone')
  .map((topologyKey) => ({ requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector }] }));

/** Fields that never confine a pod. */
const beside = fc.record(
  {
    tolerations: fc.array(toleration, { minLength: 1, maxLength: 2 }),
    topologySpreadConstraints: fc.array(spread, { minLength: 1, maxLength: 1 }),
    podAffinity: podTerm,
    podAntiAffinity: podTerm,
  },
  { requiredKeys: [] },
);

const podSpec = fc.tuple(acceptedPlacement, beside).map(([placement, { podAffinity, podAntiAffinity, ...more }]): PlacementSpec => {
  const affinity = { ...placement.affinity, ...(podAffinity && { podAffinity }), ...(podAntiAffinity && { podAntiAffinity }) };
  return { ...placement, ...more, ...(Object.keys(affinity).length > 0 && { affinity }) };
});

/** A pod that runs does not tell whether it named its node, nor does a DaemonSet keep that name. */
const withoutNodeName = ({ nodeName: _named, ...pod }: PlacementSpec): PlacementSpec => pod;

const draft = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    governed: fc.oneof({ weight: 15, arbitrary: ofWorlds }, { weight: 1, arbitrary: fc.constant(FREE) }),
    pod: podSpec,
  })
  .map(({ pod, ...workload }) => ({
    ...workload,
    pod: workload.kind === 'Pod' || workload.kind === 'DaemonSet' ? withoutNodeName(pod) : pod,
  }));

/** A name without digits or parts that look made: shapes of pods differ by it. */
const nameOf = (index: number): string => `app-${[...index.toString(4)].map((digit) => 'aeio'[Number(digit)]).join('')}`;

/** Generates workloads, each with a name of its own. The same ones for the same seed. */
export const generateWorkloads = (seed: number, count: number): readonly Workload[] =>
  fc.sample(draft, { seed, numRuns: count }).map((workload, index) => ({ ...workload, name: nameOf(index) }));

/** The workload as the API server shows it. */
export const objectOf = ({ kind, name, governed: { namespace }, pod }: Workload): KubeObject => {
  const template = { spec: pod };
  const spec = kind === 'Pod' ? pod : kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };
  return { kind, metadata: { namespace, name: kind === 'Pod' ? `${name}-1` : name, uid: name, generation: 1 }, spec } as KubeObject;
};

/** `Deployment/one/app-a`, as agents name it */
export const keyOf = ({ kind, name, namespace }: { readonly kind: string; readonly name: string; readonly namespace: string }): string =>
  `${kind}/${namespace}/${kind === 'Pod' ? name.replace(/-\*$/, '') : name}`;
