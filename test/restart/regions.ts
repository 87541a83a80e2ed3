import { REGION_LABEL } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import { NODE_KIND } from '@fso/shared/kube';
import type { Placement } from './workload.ts';

/** Regions that the policies allow, by the state of their nodes in every cluster. */
export const INSIDE = { open: 'eu-central-1', tainted: 'eu-west-1', cordoned: 'eu-north-1', empty: 'eu-south-1' } as const;
/** Region of each cluster that no policy allows. */
export const OUTSIDE = { one: 'us-east-1', two: 'ap-south-1', three: 'sa-east-1' } as const;
export type ClusterName = keyof typeof OUTSIDE;
export const CLUSTERS = Object.keys(OUTSIDE) as ClusterName[];

/** Regions with nodes: two each. */
export const regionsOf = (cluster: ClusterName): readonly string[] => [INSIDE.open, INSIDE.tainted, INSIDE.cordoned, OUTSIDE[cluster]];

/** Sets the labels, taints and cordons that the placements refer to. */
export const labelNodes = async (client: KubeClient, cluster: ClusterName, signal: AbortSignal): Promise<void> => {
  const patches: readonly (readonly [node: string, patch: object])[] = [
    [`${INSIDE.open}-a`, { metadata: { labels: { disk: 'ssd', cores: '16' } } }],
    [`${INSIDE.open}-b`, { metadata: { labels: { gpu: 'yes', cores: '32' } } }],
    [`${OUTSIDE[cluster]}-a`, { metadata: { labels: { disk: 'hdd', cores: '8' } } }],
    ...['a', 'b'].flatMap((zone): (readonly [string, object])[] => [
      [`${INSIDE.tainted}-${zone}`, { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }],
      [`${INSIDE.cordoned}-${zone}`, { spec: { unschedulable: true } }],
    ]),
  ];
  for (const [name, patch] of patches) await client.mergePatch(NODE_KIND, { name }, patch, signal);
};

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

const is = (key: string, operator: string, ...values: string[]): Requirement => ({ key, operator, ...(values.length > 0 && { values }) });
const isIn = (...regions: string[]): Requirement => is(REGION_LABEL, 'In', ...regions);
const on = (more: Readonly<Record<string, string>>): Placement => ({ nodeSelector: more });
const inRegion = (region: string, more: Readonly<Record<string, string>> = {}): Placement => on({ [REGION_LABEL]: region, ...more });

/** Creates a required node affinity, of which a node must satisfy one term. */
const requires = (...terms: readonly (readonly Requirement[])[]): Placement => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms.map((matchExpressions) => ({ matchExpressions })) },
    },
  },
});
const tolerating = (placement: Placement, toleration: object): Placement => ({ ...placement, tolerations: [toleration] });

/** Placements of templates, by the fate of their pods once the policies are in force. */
export interface Placements {
  /** Pods run outside before the policies, and are refused after. */
  readonly outside: readonly Placement[];
  /** Pods happen to run inside before the policies, and are refused after. */
  readonly lucky: readonly Placement[];
  /** Pods run anywhere before the policies, and are refused after. */
  readonly unconfined: readonly Placement[];
  /** Pods are admitted, and no node accepts them. */
  readonly pending: readonly Placement[];
  /** Pods run inside. */
  readonly fine: readonly Placement[];
}

/** Returns the placements of a cluster. */
export const placementsIn = (cluster: ClusterName): Placements => {
  const outside = OUTSIDE[cluster];
  const { open, tainted, cordoned, empty } = INSIDE;
  return {
    outside: [
      inRegion(outside),
      inRegion(outside, { disk: 'hdd' }),
      on({ disk: 'hdd' }),
      { nodeName: `${outside}-b` },
      requires([isIn(outside)]),
      requires([isIn(empty)], [isIn(outside)]),
      requires([is(REGION_LABEL, 'NotIn', open, tainted, cordoned)]),
      requires([is('cores', 'Lt', '10')]),
    ],
    lucky: [
      on({ disk: 'ssd' }),
      on({ 'topology.kubernetes.io/zone': `${open}b` }),
      { nodeName: `${open}-a` },
      requires([is('cores', 'Gt', '20')]),
      requires([is(REGION_LABEL, 'Exists'), is('gpu', 'In', 'yes')]),
      requires([isIn(empty)], [is('gpu', 'Exists')]),
      requires([is(REGION_LABEL, 'NotIn', outside), is('disk', 'Exists')]),
    ],
    unconfined: [
      {},
      requires([isIn(open, outside)]),
      requires([isIn(open)], [is('kubernetes.io/os', 'In', 'linux')]),
      requires([is(REGION_LABEL, 'Exists')]),
      requires([is('disk', 'DoesNotExist')]),
      {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchExpressions: [isIn(open)] } }],
          },
        },
      },
    ],
    pending: [
      inRegion(open, { disk: 'none-has-it' }),
      inRegion(open, { disk: 'ssd', gpu: 'yes' }),
      inRegion(tainted),
      inRegion(cordoned),
      inRegion(empty),
      tolerating(inRegion(tainted), { key: 'dedicated', operator: 'Equal', value: 'web', effect: 'NoSchedule' }),
      tolerating(inRegion(tainted), { key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }),
      requires([isIn(open), is('cores', 'Gt', '64')]),
      requires([isIn(tainted, cordoned)]),
      { ...inRegion(open), ...requires([isIn(tainted)]) },
      { ...inRegion(open), ...requires([is('gpu', 'NotIn', 'yes'), is('disk', 'DoesNotExist')]) },
    ],
    fine: [
      inRegion(open),
      inRegion(open, { disk: 'ssd' }),
      requires([isIn(open, tainted)]),
      requires([isIn(empty)], [isIn(open), is('cores', 'Gt', '20')]),
      requires([isIn(open, outside), is(REGION_LABEL, 'NotIn', outside)]),
      { ...on({ gpu: 'yes' }), ...requires([isIn(open)]) },
      tolerating(inRegion(tainted), { key: 'dedicated', operator: 'Equal', value: 'db', effect: 'NoSchedule' }),
      tolerating(requires([isIn(tainted)]), { operator: 'Exists' }),
    ],
  };
};
