import { type KubeObject, type PolicyRisks, REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { decideResidency } from '@fso/shared/residency';
import type { NodeFacts } from '@fso/shared/risk';
import type { Pod } from '../../agent/cache/reduce.ts';
import type { Governance } from '../../agent/enforce/types.ts';
import type { TemplateAnswer } from '../../agent/probe/index.ts';
import type { OwnerSet } from '../../agent/risk/owners/owner-cache.ts';
import type { Owner, OwnerKind } from '../../agent/risk/owners/owner-kinds.ts';
import { reduceOwner } from '../../agent/risk/owners/reduce-owner.ts';
import { RiskFinder, type SeenShapes } from '../../agent/risk/risk-finder.ts';

const KINDS = ['Deployment', 'CronJob', 'StatefulSet', 'Deployment', 'Job'] as const;
const NO_OWNERS: OwnerSet = new Map();
const NO_SHAPES: SeenShapes = { in: () => ({ apartFrom: () => [] }), versionIn: () => NO_OWNERS };

/** Placements of templates in the region of a cluster. */
const placementsIn = (region: string): readonly object[] => [
  {},
  { nodeSelector: { [REGION_LABEL]: region, disk: 'ssd' } },
  { nodeSelector: { [REGION_LABEL]: region } },
];

const ownerOf = (kind: OwnerKind, metadata: KubeObject['metadata'], placement: object): Owner => {
  const template = { spec: placement };
  const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };
  return reduceOwner(kind)({ metadata: { ...metadata, generation: 1 }, spec } as KubeObject);
};

const factsOf = ({ metadata: { name, labels = {} } }: Node): NodeFacts => ({ name, region: labels[REGION_LABEL], labels, taints: [] });

/** Returns the name that a controller gave its pod, without the random suffix. */
const workloadOf = ({ metadata: { name } }: Pod): string => name.slice(0, name.lastIndexOf('-'));

/** Owners of the pods of a cluster. The agent's own code judges their next pods. */
export class ClusterRisks {
  readonly #finder: RiskFinder;
  readonly #nodes: readonly NodeFacts[];
  #governance: Governance | undefined;
  readonly #owners = new Map<string, Map<OwnerKind, Map<string, Owner>>>();

  /** @param home region of the nodes that most templates name */
  constructor(pods: readonly Pod[], nodes: Iterable<Node>, home: string) {
    const dryRuns = { expect: () => undefined, answer: (target: string) => this.#answer(target), answersIn: () => NO_OWNERS };
    this.#finder = new RiskFinder(dryRuns, NO_SHAPES);
    this.#nodes = [...nodes].map(factsOf);
    const placements = placementsIn(home);
    const workloads = Map.groupBy(pods, (pod) => `${pod.metadata.namespace}/${workloadOf(pod)}`);
    for (const [index, uid] of [...workloads.keys()].entries()) {
      const [namespace = '', name = ''] = uid.split('/');
      const kind = KINDS[index % KINDS.length] ?? 'Deployment';
      this.#add(kind, ownerOf(kind, { namespace, name, uid }, placements[index % placements.length] ?? {}));
    }
  }

  /** Returns the risks under each denying policy. */
  find(governance: Governance): ReadonlyMap<string, PolicyRisks> {
    const ownersIn = (namespace: string): OwnerSet => this.#owners.get(namespace) ?? NO_OWNERS;
    this.#governance = governance;
    this.#finder.update({ governance, ownersIn, nodes: this.#nodes, injects: false, webhooks: '', nowMs: 0 });
    const steps = this.#finder.judge();
    while (steps.next().done !== true);
    return new Map([...this.#finder.found(0).policies].flatMap(([policy, risks]) => (risks === 'recent' ? [] : [[policy, risks]])));
  }

  #add(kind: OwnerKind, owner: Owner): void {
    const { namespace = '', name } = owner.metadata;
    const kinds = this.#owners.get(namespace) ?? new Map<OwnerKind, Map<string, Owner>>();
    this.#owners.set(namespace, kinds.set(kind, (kinds.get(kind) ?? new Map<string, Owner>()).set(name, owner)));
  }

  /** Responds like an API server with the locks and without webhooks. */
  #answer(target: string): TemplateAnswer | undefined {
    const [kind = '', namespace = '', name = ''] = target.split('/');
    const template = this.#owners
      .get(namespace)
      ?.get(kind as OwnerKind)
      ?.get(name)?.template;
    const deny = this.#governance?.namespaces.get(namespace)?.actions.deny;
    if (template === undefined || deny === undefined) return undefined;
    const decision = decideResidency(template, deny.regions);
    return decision.admitted ? { kind: 'admitted', template } : { kind: 'refused', violation: decision.violation };
  }
}
