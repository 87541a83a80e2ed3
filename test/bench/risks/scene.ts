import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import type { NodeFacts } from '@fso/shared/risk';
import type { Governance } from '../../../agent/enforce/index.ts';
import type { OwnerSet } from '../../../agent/risk/owners/owner-cache.ts';
import type { Owner, OwnerKind } from '../../../agent/risk/owners/owner-kinds.ts';
import { reduceOwner } from '../../../agent/risk/owners/reduce-owner.ts';

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1'];
const ALLOWED = ['eu-central-1', 'eu-west-1'];
const POLICY = 'default/bench';

export const nodesOf = (count: number): readonly NodeFacts[] =>
  Array.from({ length: count }, (_, n) => {
    const region = REGIONS[n % REGIONS.length] ?? '';
    const more = Object.fromEntries(Array.from({ length: 20 }, (_label, i) => [`label-${i}`, `v${(n + i) % 7}`]));
    return { name: `node-${n}`, region, labels: { ...more, [REGION_LABEL]: region }, taints: [] };
  });

/** Distinct templates, by the fate of their next pods. */
const TEMPLATES = {
  Refused: (n: number) => ({ nodeSelector: { app: `${n}` } }),
  fine: (n: number) => ({ nodeSelector: { [REGION_LABEL]: 'eu-west-1', 'label-1': `v${n % 7}` }, tolerations: [{ key: `${n}` }] }),
  /** Eight terms that no node satisfies, so that each node is checked for each term. */
  Pending: (n: number) => ({
    nodeSelector: { [REGION_LABEL]: 'eu-west-1' },
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: Array.from({ length: 8 }, (_, term) => ({
            matchExpressions: [{ key: `label-${term}`, operator: 'In', values: [`none-${n}`] }],
          })),
        },
      },
    },
  }),
} as const;
export type Template = keyof typeof TEMPLATES;
export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as Template[];

/** Creates the Deployments of one namespace. */
export const ownersOf = (template: Template, namespace: string, count: number): OwnerSet => {
  const reduce = reduceOwner('Deployment');
  const named = Array.from({ length: count }, (_, n): [string, Owner] => {
    const metadata = { name: `app-${n}`, namespace, uid: `${namespace}-${n}`, generation: 1 };
    return [metadata.name, reduce({ metadata, spec: { template: { spec: TEMPLATES[template](n) } } } as unknown as KubeObject)];
  });
  return new Map<OwnerKind, ReadonlyMap<string, Owner>>([['Deployment', new Map(named)]]);
};

/** Returns the governance of one denying policy in all namespaces. */
export const governanceOf = (namespaces: readonly string[]): Pick<Governance, 'namespaces' | 'policies'> => ({
  namespaces: new Map(
    namespaces.map((namespace) => [
      namespace,
      { namespace, actions: { deny: { regions: ALLOWED, policies: [POLICY], revisions: ['-'] } }, policies: [POLICY], injection: false },
    ]),
  ),
  policies: new Map([[POLICY, { kind: 'governing', regions: ALLOWED, namespaces, conflicts: [] }]]),
});
