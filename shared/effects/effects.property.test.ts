import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOOR_ACTIONS, type FloorAction, REGION_LABEL, type SovereignPolicySpecInput } from '../api/index.ts';
import { type CompiledPolicy, compileCluster, matchesNamespace } from '../compile/index.ts';
import { byText } from '../encoding/index.ts';
import { decideResidency, isExpired, type PlacementSpec, schedulableRegions } from '../residency/index.ts';
import { injectRegions } from '../risk/index.ts';
import { weakMemo } from '../runtime/index.ts';
import { effectsOf } from './effects.ts';
import type { FleetState } from './fleet.ts';
import type { Effect, Effects } from './plan.ts';
import { cluster, fleet, NOW, policy, scope } from './testing/policy-sets.ts';

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1'];
const CLUSTERS = [cluster('one', ['eu-west-1', 'us-east-1']), cluster('two', ['eu-central-1'])];

const pattern = fc.constantFrom('*', 'a-*', 'a-b', '*-b', '*b*', 'a-b-*', 'kube-*', 'kube-system', 'fso-canary');
const spec: fc.Arbitrary<SovereignPolicySpecInput> = fc.record(
  {
    targetNamespace: pattern,
    allowedRegions: fc.subarray(REGIONS, { minLength: 1 }),
    enforcementAction: fc.constantFrom('deny' as const, 'deny' as const, 'warn' as const, 'dryrun' as const),
    placementInjection: fc.boolean(),
    excludedNamespaces: fc.array(pattern, { maxLength: 2 }),
    expiryDate: fc.constantFrom('2026-05-31T00:00:00Z', '2026-12-01T00:00:00Z', '2099-01-01T00:00:00Z'),
    placement: fc.record({ clusterNames: fc.subarray(['one', 'two'], { minLength: 1 }) }),
  },
  { requiredKeys: ['targetNamespace', 'allowedRegions', 'enforcementAction'] },
);
const scoped: fc.Arbitrary<SovereignPolicySpecInput> = fc
  .tuple(spec, fc.constantFrom('vap.k8s.io', 'validation.gatekeeper.sh', 'audit.gatekeeper.sh', '*'), fc.constantFrom(...FLOOR_ACTIONS))
  .map(([given, name, action]) => ({
    ...given,
    enforcementAction: 'custom',
    scopedEnforcementActions: [{ action, enforcementPoints: [{ name } as { name: '*' }] }],
  }));
const anySpec = fc.oneof({ weight: 4, arbitrary: spec }, scoped);
const anyFleet = fc
  .record({
    specs: fc.array(anySpec, { maxLength: 4 }),
    atMs: fc.constantFrom(NOW, NOW + 366 * 86_400_000),
    withoutClusters: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.subarray(['one', 'two'], { maxLength: 1 })),
    withoutRegions: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.subarray(REGIONS, { maxLength: 1 })),
    isScoped: fc.boolean(),
  })
  .map(({ specs, isScoped, ...rest }) =>
    fleet(
      specs.map((each, index) => policy(`p${index}`, each, index === 0 ? 'policies/part' : 'policies')),
      { clusters: CLUSTERS, scopes: isScoped ? [scope('part', ['two'])] : [], ...rest },
    ),
  );

/** A fleet before and after: any two, or one of which something is lost. */
const anyPair: fc.Arbitrary<readonly [FleetState, FleetState]> = fc.oneof(
  fc.tuple(anyFleet, anyFleet),
  fc
    .tuple(anyFleet, fc.constantFrom({ withoutRegions: ['eu-west-1'] }, { withoutRegions: ['eu-central-1'] }, { withoutClusters: ['one'] }))
    .map(
      ([after, loss]) =>
        [
          { ...after, withoutRegions: [], withoutClusters: [] },
          { ...after, ...loss },
        ] as const,
    ),
);

const requirement = fc.oneof(
  fc.record({ key: fc.constant(REGION_LABEL), operator: fc.constantFrom('In', 'NotIn'), values: fc.subarray(REGIONS, { minLength: 1 }) }),
  fc.record({ key: fc.constantFrom(REGION_LABEL, 'disk'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const anyPod: fc.Arbitrary<PlacementSpec> = fc
  .tuple(
    fc.constantFrom(undefined, undefined, ...REGIONS, ...REGIONS, 'ap-south-1'),
    fc.option(fc.array(fc.record({ matchExpressions: fc.array(requirement, { maxLength: 2 }) }), { maxLength: 3 }), { freq: 1 }),
  )
  .map(([region, nodeSelectorTerms]) => ({
    ...(region === undefined ? {} : { nodeSelector: { [REGION_LABEL]: region } }),
    ...(nodeSelectorTerms === null
      ? {}
      : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }),
  }));

const UNGOVERNED = ['fso-canary', 'federated-sovereignty-system', 'gatekeeper-system'];
const CLUSTER_NAMESPACES = ['kube-node-lease', 'kube-public', 'kube-system'];

const governs = ({ spec: { targetNamespace, excludedNamespaces = [], expiryDate } }: CompiledPolicy, namespace: string, atMs: number) =>
  !isExpired(expiryDate, atMs) &&
  !UNGOVERNED.includes(namespace) &&
  matchesNamespace(targetNamespace, namespace) &&
  !(targetNamespace.includes('*') && CLUSTER_NAMESPACES.includes(namespace)) &&
  !excludedNamespaces.some((excluded) => matchesNamespace(excluded, namespace));

const takesPart = ({ spec: { enforcementAction, scopedEnforcementActions = [] } }: CompiledPolicy, action: FloorAction, isFloor = false) =>
  enforcementAction === action ||
  (enforcementAction === 'custom' &&
    scopedEnforcementActions.some((entry) =>
      entry.enforcementPoints.some(({ name }) => {
        if (isFloor) return entry.action === action && (name === '*' || name === 'vap.k8s.io');
        return name === 'audit.gatekeeper.sh' ? action === 'dryrun' : entry.action === action;
      }),
    ));

interface Where {
  readonly cluster: string;
  readonly namespace: string;
  readonly action: FloorAction;
}

/** Policies of a cluster, compiled once for each fleet. */
const compiledIn = weakMemo(
  (side: FleetState) => new Map(CLUSTERS.map(({ document: { metadata } }) => [metadata.name, compileCluster(side.set, metadata.name)])),
);

const governingIn = (side: FleetState, { cluster: name, namespace }: Omit<Where, 'action'>): readonly CompiledPolicy[] =>
  (compiledIn(side).get(name)?.policies ?? []).filter((each) => governs(each, namespace, side.atMs));

/** Judges a pod in one fleet policy by policy, without combining them. */
const replay = (side: FleetState, where: Where, pod: PlacementSpec) => {
  const governing = governingIn(side, where);
  const injecting = (['deny', 'warn'] as const)
    .map((action) => governing.filter((each) => takesPart(each, action, true)))
    .find((policies) => policies.length > 0);
  const isInjected = injecting !== undefined && governing.some((each) => each.spec.placementInjection);
  const injected = REGIONS.toSorted(byText).filter((region) =>
    injecting?.every(({ effectiveRegions }) => effectiveRegions.includes(region)),
  );
  const created = isInjected ? injectRegions(pod, injected) : pod;
  const judging = governing.filter((each) => takesPart(each, where.action));
  const admitted = judging.every(({ effectiveRegions }) => decideResidency(created, effectiveRegions).admitted);
  return { isJudged: judging.length > 0, admitted, runs: admitted && hasNode(side, where.cluster, created) };
};

const hasNode = ({ set, withoutClusters, withoutRegions }: FleetState, name: string, pod: PlacementSpec): boolean => {
  const regions = set.clusters.find(({ document }) => document.metadata.name === name)?.document.spec.regions ?? [];
  const left = withoutClusters.includes(name) ? [] : regions.filter((region) => !withoutRegions.includes(region));
  const schedulable = schedulableRegions(pod);
  return left.some((region) => schedulable === undefined || schedulable.includes(region));
};

/** Clusters and namespaces of an effect. */
const placesOf = ({ clusters, namespaces, action }: Effect): readonly Where[] =>
  clusters.flatMap((name) => namespaces.map(({ example }) => ({ cluster: name, namespace: example, action })));

const namesIn = (side: FleetState, where: Where): string =>
  governingIn(side, where)
    .map(({ name }) => name)
    .join();

/** The effect on a cluster and namespace: that on an example which the same policies govern. */
const effectAt = ({ effects }: Effects, where: Where, sides: readonly FleetState[]): Effect | undefined =>
  effects.find((effect) =>
    placesOf(effect).some(
      (place) =>
        place.action === where.action &&
        place.cluster === where.cluster &&
        sides.every((side) => namesIn(side, place) === namesIn(side, where)),
    ),
  );

type Replay = ReturnType<typeof replay>;

const changeOf = (had: Replay, has: Replay, action: FloorAction): 'refused' | 'admitted' | 'pending' | undefined => {
  if (had.admitted !== has.admitted) return has.admitted ? 'admitted' : 'refused';
  return action === 'deny' && has.isJudged && had.runs && !has.runs ? 'pending' : undefined;
};

const PLACES = ['a', 'a-b', 'a-c', 'x-b', 'xbx', 'a-b-c', 'a-b-b', 'kube-system', 'kube-x', 'fso-canary', 'y'].flatMap((namespace) =>
  CLUSTERS.flatMap(({ document }) => FLOOR_ACTIONS.map((action): Where => ({ cluster: document.metadata.name, namespace, action }))),
);

describe('effectsOf against a replay of each policy', () => {
  it('names for each change a pod that is judged like that before and after, in each cluster and namespace', () => {
    let shown = 0;
    fc.assert(
      fc.property(anyPair, ([before, after]) => {
        const expectReplay = (where: Where, pod: PlacementSpec | null, key: 'admitted' | 'runs', expected: readonly boolean[]) => {
          if (pod === null) return;
          shown += 1;
          expect([before, after].map((side) => replay(side, where, pod)[key])).toEqual(expected);
        };
        for (const effect of effectsOf(before, after).effects)
          for (const where of placesOf(effect)) {
            expectReplay(where, effect.refused?.pod ?? null, 'admitted', [true, false]);
            expectReplay(where, effect.admitted, 'admitted', [false, true]);
            expectReplay(where, effect.pending, 'admitted', [true, true]);
            expectReplay(where, effect.pending, 'runs', [true, false]);
          }
      }),
      { numRuns: 500 },
    );
    expect(shown).toBeGreaterThan(100);
  });

  it('has a change for each pod that is judged differently, and none where all are judged alike', () => {
    const changes = { refused: 0, admitted: 0, pending: 0 };
    fc.assert(
      fc.property(anyPair, anyPod, ([before, after], pod) => {
        const effects = effectsOf(before, after);
        expect(effects.notLookedAt).toEqual([]);
        for (const where of PLACES) {
          const kind = changeOf(replay(before, where, pod), replay(after, where, pod), where.action);
          if (kind === undefined) continue;
          changes[kind] += 1;
          expect(effectAt(effects, where, [before, after])?.[kind], JSON.stringify(where)).toBeTruthy();
        }
      }),
      { numRuns: 500 },
    );
    expect(Math.min(...Object.values(changes))).toBeGreaterThan(5);
  });

  it('finds nothing between a fleet and itself', () => {
    fc.assert(
      fc.property(anyFleet, (same) => {
        expect(effectsOf(same, same).effects).toEqual([]);
      }),
    );
  });

  it('is reversed by going back, but for nodes that are lost', () => {
    const withNodes = anyFleet.map((each) => ({ ...each, withoutClusters: [], withoutRegions: [] }));
    const REVERSED: Partial<Record<Effect['verdict'], Effect['verdict']>> = {
      tightened: 'loosened',
      loosened: 'tightened',
      appears: 'disappears',
      disappears: 'appears',
    };
    const plainly = ({ clusters, namespaces, action, verdict }: Effect) =>
      // A pod that pends does so in one direction only.
      (verdict === 'unchanged' ? [] : clusters).flatMap((name) =>
        namespaces.map(({ pattern: named }) => `${name} ${named} ${action} ${verdict}`),
      );
    fc.assert(
      fc.property(withNodes, withNodes, (one, other) => {
        const there = effectsOf(one, other).effects.flatMap(plainly);
        const back = effectsOf(other, one).effects.map((effect) => ({ ...effect, verdict: REVERSED[effect.verdict] ?? effect.verdict }));
        expect(new Set(back.flatMap(plainly))).toEqual(new Set(there));
      }),
    );
  });
});
