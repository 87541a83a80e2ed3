import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { decideResidency } from '@fso/shared/residency';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { PlacedNodes } from '../../../agent/cache/nodes/placed-nodes.ts';
import { reduceNode } from '../../../agent/cache/nodes/reduce-node.ts';
import { type Pod, reducePod } from '../../../agent/cache/reduce.ts';
import type { AcceptedPolicies, Observatory } from '../../../agent/observe/index.ts';
import { Previewer } from '../../../agent/preview/index.ts';
import type { TemplateAnswer } from '../../../agent/probe/index.ts';
import type { Owner, OwnerKind } from '../../../agent/risk/owners/owner-kinds.ts';
import { reduceOwner } from '../../../agent/risk/owners/reduce-owner.ts';
import { ShapeRecorder } from '../../../agent/risk/shapes/shape-recorder.ts';
import { clusterFacts } from './cluster-state.ts';

const [WEST, CENTRAL] = ['eu-west-1', 'eu-central-1'];
const KINDS: readonly OwnerKind[] = ['Deployment', 'StatefulSet', 'ReplicaSet', 'CronJob', 'Job', 'ReplicationController'];

const inOneOf = (...values: string[]): object => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values }] }],
      },
    },
  },
});

/** Placements of templates, and the nodes of their pods. */
const PLACEMENTS: readonly (readonly [placement: object, node: string])[] = [
  [{ nodeSelector: { [REGION_LABEL]: WEST } }, `${WEST}-1`],
  [{ nodeSelector: { [REGION_LABEL]: CENTRAL } }, `${CENTRAL}-1`],
  [inOneOf(WEST, CENTRAL), `${CENTRAL}-2`],
  [{ ...inOneOf(WEST, CENTRAL), nodeSelector: { disk: 'none-has-it' } }, ''],
  [{ nodeSelector: { disk: 'ssd' } }, `${WEST}-2`],
  [{}, `${CENTRAL}-3`],
];

const NODES = [WEST, CENTRAL].flatMap((region) =>
  [1, 2, 3].map((n) =>
    reduceNode({
      metadata: { name: `${region}-${n}`, labels: { [REGION_LABEL]: region, ...(n === 2 && { disk: 'ssd' }) } },
      spec: {},
    } as Node),
  ),
);

/** Returns the decision of both locks on a pod, without webhooks. */
const answerOf = ({ template }: Owner, regions: readonly string[]): TemplateAnswer => {
  const decision = decideResidency(template ?? {}, regions);
  return decision.admitted ? { kind: 'admitted', ...(template && { template }) } : { kind: 'refused', violation: decision.violation };
};

type Owners = Map<OwnerKind, Map<string, Owner>>;

/**
 * Workloads of one cluster without a control plane, spread over the namespaces of its policies, and
 * the agent's own judgement of them.
 */
export class BenchWorkloads {
  readonly #count: number;
  readonly #accepted: () => AcceptedPolicies | undefined;
  readonly #owners = new Map<string, Owners>();
  readonly #pods = new Map<string, Pod[]>();

  constructor(count: number, accepted: () => AcceptedPolicies | undefined) {
    this.#count = count;
    this.#accepted = accepted;
  }

  /** @param isEnforcing whether a commit is being enforced */
  createPreviewer(isEnforcing: () => boolean, signal: AbortSignal): Previewer {
    const places = new PlacedNodes({ synced: true, list: () => NODES, onChange: () => () => undefined });
    places.judgeBy({});
    const shapes = new ShapeRecorder({ clock: systemClock, isInjecting: () => false, hasPod: () => true });
    shapes.begin();
    return new Previewer(
      {
        ...{ clock: systemClock, logger: createLogger({ name: 'bench', level: 'silent' }), mode: 'names', shapes, isEnforcing },
        observatory: this.#observatory(),
        view: {
          policyInputs: () => [],
          namespaceInputs: () => this.#namespaces.map((name) => ({ name, terminating: false, labels: {}, annotations: {} })),
          podsIn: (namespace) => this.#pods.get(namespace) ?? [],
          places,
        },
        owners: { ownersIn: (namespace) => this.#owners.get(namespace) ?? new Map(), leftOut: new Map(), problem: undefined },
        dryRuns: { answer: (target) => this.#answer(target) },
        injects: () => true,
        place: { gatekeeperNamespace: 'gatekeeper-system' },
        events: { ofCluster: () => undefined, recordOn: () => undefined },
        metrics: { previews: { inc: () => undefined } },
      },
      signal,
    );
  }

  /** Namespaces of the cluster: each policy governs one of its own name. */
  get #namespaces(): readonly string[] {
    const names = [...(this.#accepted()?.policies.keys() ?? [])];
    if (this.#owners.size === 0 && names.length > 0) this.#fill(names);
    return names;
  }

  #fill(namespaces: readonly string[]): void {
    for (let n = 0; n < this.#count; n += 1) {
      const namespace = namespaces[n % namespaces.length] ?? '';
      const kind = KINDS[n % KINDS.length] ?? 'Deployment';
      // The step differs from that of the kinds, so that each kind gets each placement.
      const [placement, nodeName] = PLACEMENTS[Math.floor(n / KINDS.length) % PLACEMENTS.length] ?? [{}, ''];
      const metadata = { namespace, name: `app-${n}`, uid: `${namespace}-${n}`, generation: 1 };
      const template = { spec: placement };
      const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };
      const owners: Owners = this.#owners.get(namespace) ?? new Map();
      const ofKind = owners.get(kind) ?? new Map<string, Owner>();
      this.#owners.set(namespace, owners.set(kind, ofKind.set(metadata.name, reduceOwner(kind)({ metadata, spec } as KubeObject))));
      const ownerReferences = [{ apiVersion: 'v1', kind, name: metadata.name, uid: metadata.uid, controller: true }];
      const pod = {
        metadata: { ...metadata, name: `app-${n}-0`, ownerReferences },
        spec: { ...placement, nodeName },
        status: { phase: 'Running' },
      };
      this.#pods.set(namespace, [...(this.#pods.get(namespace) ?? []), reducePod(pod as Pod)]);
    }
  }

  #observatory(): Pick<Observatory, 'ages' | 'snapshot'> {
    const facts = { revision: null, provenRevision: null, verification: 'unverified' } as const;
    return {
      ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
      snapshot: () => ({
        policies: new Map(),
        cluster: clusterFacts(undefined),
        asOf: new Date(),
        revision: { facts, accepted: this.#accepted() },
      }),
    };
  }

  #answer(target: string): TemplateAnswer | undefined {
    const [kind = '', namespace = '', name = ''] = target.split('/');
    const owner = this.#owners
      .get(namespace)
      ?.get(kind as OwnerKind)
      ?.get(name);
    const policy = this.#accepted()?.policies.get(namespace)?.policy;
    return owner && policy && answerOf(owner, policy.effectiveRegions);
  }
}
