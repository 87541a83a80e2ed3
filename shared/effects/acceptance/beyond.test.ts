import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOOR_ACTIONS, type FloorAction } from '../../api/index.ts';
import { compareRules, type PlacedRule } from '../compare-rules.ts';
import type { CombinedRule } from '../plan.ts';
import { beyondAccepted } from './beyond.ts';
import { type PlannedClass, type PlannedEffect, type PlannedEffects, type PlannedWorkloads, plannedEffects } from './planned-effects.ts';

const REGIONS = ['r1', 'r2', 'r3'];
const CLUSTERS = ['one', 'two'];
const NAMESPACES = ['a', 'b', 'c-*'];
/** Two owners, one of which could not start before. */
const TWO = { begins: 2, eased: 1, owners: ['Pod a/x', 'Pod a/y'] };
const PATTERNS = [{ clusters: CLUSTERS, digest: 'd' }];

const nothing: PlannedEffects = { effects: [], patterns: PATTERNS, workloads: [], notLookedAt: [], notAnswered: [], partly: [] };

/** A rule, and whether it gives pods that say nothing of their region its own regions. */
const anyRule: fc.Arbitrary<CombinedRule> = fc
  .record({
    regions: fc.subarray(REGIONS),
    injected: fc.oneof(fc.subarray(REGIONS, { maxLength: 0 }), fc.subarray(REGIONS, { minLength: 1 })),
  })
  .map((rule) => ({ ...rule, policies: ['p'] }));
const maybeRule = fc.option(anyRule, { nil: undefined });

const place = (rule: CombinedRule | undefined, nodes: readonly string[]): PlacedRule | undefined =>
  rule && { rule, usable: rule.regions.filter((region) => nodes.includes(region)) };

interface Sides {
  readonly before: CombinedRule | undefined;
  readonly after: CombinedRule | undefined;
  /** Regions with nodes, before and after. */
  readonly nodes: readonly [readonly string[], readonly string[]];
}

const effectOf = ({ before, after, nodes: [had, has] }: Sides, action: FloorAction = 'deny'): PlannedEffect => {
  const change = compareRules({ action, before: place(before, had), after: place(after, has), regions: had });
  const elsewhere = change.usable?.length === 0 ? [] : null;
  const effects = [{ ...change, clusters: ['one'], namespaces: [{ pattern: 'a', example: 'a' }], elsewhere }];
  const lookedAt = { clusters: 1, policies: 1, namespaces: 1 };
  const [effect] = plannedEffects({ effects, lookedAt, notLookedAt: [] }, { workloads: null, patterns: [] }).effects;
  if (effect === undefined) throw new Error('no effect');
  return effect;
};

/** Pods by the regions in which they may be scheduled; none: they say nothing of their region. */
const PODS: readonly (readonly string[])[] = Array.from({ length: 16 }, (_, bits) =>
  [...REGIONS, 'other'].filter((_region, index) => ((bits >> index) & 1) === 1),
);

const admits = (rule: CombinedRule | undefined, pod: readonly string[]): boolean => {
  if (rule === undefined) return true;
  const regions = pod.length === 0 ? rule.injected : pod;
  return regions.length > 0 && regions.every((region) => rule.regions.includes(region));
};

const hasNodes = (rule: CombinedRule | undefined, pod: readonly string[], nodes: readonly string[]): boolean => {
  const regions = pod.length === 0 ? (rule?.injected ?? nodes) : pod;
  return regions.some((region) => nodes.includes(region));
};

/** Pods that the change refuses, admits, and leaves without the nodes that they had. */
const podsOf = ({ before, after, nodes: [had, has] }: Sides): readonly (readonly string[])[] => {
  const names = (pods: typeof PODS): readonly string[] => pods.map((pod) => pod.join());
  // Plans count nodes of namespaces that have a rule afterwards.
  const kept = after === undefined ? [] : PODS.filter((pod) => admits(before, pod) && admits(after, pod));
  return [
    names(PODS.filter((pod) => admits(before, pod) && !admits(after, pod))),
    names(PODS.filter((pod) => !admits(before, pod) && admits(after, pod))),
    names(kept.filter((pod) => hasNodes(before, pod, had) && !hasNodes(after, pod, has))),
  ];
};

const isSubset = (some: Sides, all: Sides): boolean => {
  const others = podsOf(all).map((pods) => new Set(pods));
  return podsOf(some).every((pods, index) => pods.every((pod) => others[index]?.has(pod)));
};

describe('the pods of a change', () => {
  const sides = fc
    .record({ before: maybeRule, after: maybeRule, other: maybeRule })
    .filter(({ before, after, other }) => before !== undefined || (after !== undefined && other !== undefined));

  it('are a subset of those of another change exactly where it accepts them', () => {
    fc.assert(
      fc.property(sides, fc.subarray(REGIONS), ({ before, after, other }, had) => {
        const [today, accepted] = [after, other].map((each): Sides => ({ before, after: each, nodes: [had, had] }));
        if (today === undefined || accepted === undefined) return;
        const own = effectOf(today);
        const beyond = beyondAccepted({ ...nothing, effects: [own] }, { ...nothing, effects: [effectOf(accepted)] });
        // A namespace without usable nodes is more than what happens to its pods.
        if (beyond.length === 0 || own.usable === null) expect(beyond.length === 0).toBe(isSubset(today, accepted));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are a subset of those of a change that accepts them, also where nodes are lost', () => {
    fc.assert(
      fc.property(
        sides,
        fc.tuple(fc.subarray(REGIONS), fc.subarray(REGIONS), fc.subarray(REGIONS)),
        ({ before, after, other }, [had, has, others]) => {
          const today: Sides = { before, after, nodes: [had, has] };
          const accepted: Sides = { before, after: other, nodes: [had, others] };
          const beyond = beyondAccepted({ ...nothing, effects: [effectOf(today)] }, { ...nothing, effects: [effectOf(accepted)] });
          if (beyond.length === 0)
            expect(podsOf(today).map((pods, index) => pods.filter((pod) => !podsOf(accepted)[index]?.includes(pod)))).toEqual([[], [], []]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('are compared from the same rule alone', () => {
    const rule = (...regions: string[]): CombinedRule => ({ regions, injected: [], policies: ['p'] });
    const from = (before: CombinedRule) => ({ ...nothing, effects: [effectOf({ before, after: rule('r1'), nodes: [REGIONS, REGIONS] })] });
    expect(beyondAccepted(from(rule('r1', 'r2')), from(rule('r1', 'r2', 'r3')))).toHaveLength(1);
  });
});

const effect = (
  clusters: readonly string[],
  namespaces: readonly string[],
  action: FloorAction,
  change: Partial<PlannedEffect> = {},
): PlannedEffect => ({
  ...{ clusters: [...clusters], namespaces: [...namespaces], action, verdict: 'tightened', breaks: action === 'deny' },
  ...{ before: { regions: REGIONS, injected: [] }, after: { regions: ['r1'], injected: [] } },
  ...{ pending: false, usable: null, elsewhere: null },
  ...change,
});

/** Effects of which no two are of the same place. */
const anyEffects: fc.Arbitrary<PlannedEffect[]> = fc
  .tuple(fc.subarray([...FLOOR_ACTIONS]), fc.subarray(CLUSTERS), fc.subarray(NAMESPACES), fc.boolean())
  .map(([actions, clusters, namespaces, isSplit]) =>
    actions.flatMap((action) => {
      if (clusters.length * namespaces.length === 0) return [];
      return isSplit
        ? clusters.flatMap((each) => namespaces.map((namespace) => effect([each], [namespace], action)))
        : [effect(clusters, namespaces, action)];
    }),
  );
const anyClass: fc.Arbitrary<PlannedClass> = fc
  .record({ owners: fc.subarray(['Pod a/x', 'Pod a/y', 'Pod b/z']), isNamed: fc.boolean() })
  .map(({ owners, isNamed }) => ({ now: 0, after: owners.length, begins: owners.length, ends: 0, ...(isNamed && { owners }) }));
const anyWorkloads: fc.Arbitrary<PlannedWorkloads[]> = fc
  .tuple(...CLUSTERS.map((each) => fc.record({ cluster: fc.constant(each), outside: anyClass, refused: anyClass, pending: anyClass })))
  .chain((workloads) => fc.subarray(workloads));
const anyPlan: fc.Arbitrary<PlannedEffects> = fc
  .record({ effects: anyEffects, workloads: anyWorkloads })
  .map((change) => ({ ...nothing, ...change }));

const fewer = ({ owners, begins, ...counts }: PlannedClass): PlannedClass => {
  const left = Math.max(0, begins - 1);
  return { ...counts, begins: left, ...(owners && { owners: owners.slice(0, left) }) };
};

describe('beyondAccepted', () => {
  it('accepts a plan by itself', () => {
    fc.assert(fc.property(anyPlan, (plan) => void expect(beyondAccepted(plan, structuredClone(plan))).toEqual([])));
  });

  it('accepts what is left of a plan after any removal', () => {
    fc.assert(
      fc.property(anyPlan, fc.integer({ min: 1, max: 2 ** 12 }), (plan, bits) => {
        const keeps = (index: number): boolean => ((bits >> index) & 1) === 1;
        const effects = plan.effects
          .filter((_, index) => keeps(index))
          .map((each) => ({
            ...each,
            clusters: each.clusters.slice(keeps(10) ? 0 : 1),
            namespaces: each.namespaces.slice(keeps(11) ? 0 : 1),
          }));
        const workloads = plan.workloads.map((each) => ({ ...each, refused: fewer(each.refused) })).slice(keeps(9) ? 0 : 1);
        expect(beyondAccepted({ ...plan, effects, workloads }, plan)).toEqual([]);
      }),
    );
  });

  it('refuses every effect that is added to a plan', () => {
    fc.assert(
      fc.property(
        anyPlan,
        fc.constantFrom(...FLOOR_ACTIONS),
        fc.constantFrom('three', ...CLUSTERS),
        fc.constantFrom('d', ...NAMESPACES),
        (plan, action, name, namespace) => {
          const isThere = plan.effects.some(
            (each) => each.action === action && each.clusters.includes(name) && each.namespaces.includes(namespace),
          );
          const effects = [...plan.effects, effect([name], [namespace], action)];
          const expected = isThere ? [] : [{ clusters: [name], message: `namespace ${namespace}: ${action} tightened` }];
          expect(beyondAccepted({ ...plan, effects }, plan)).toEqual(expected);
        },
      ),
    );
  });

  it('distinguishes a missing effect from one that goes further or starts from another rule', () => {
    const none = { regions: [], injected: [] };
    const today = { ...nothing, effects: [effect(['one', 'two', 'three', 'four'], ['a'], 'deny', { after: none })] };
    const accepted = [
      effect(['one'], ['a'], 'deny'),
      effect(['two'], ['a'], 'deny', { before: { regions: ['r1', 'r2'], injected: [] } }),
      effect(['four'], ['a'], 'deny', { after: none }),
    ];
    expect(beyondAccepted(today, { ...nothing, effects: accepted })).toEqual([
      { clusters: ['one'], message: 'namespace a: deny tightened, further than in the plan' },
      { clusters: ['two'], message: 'namespace a: deny tightened, from another rule than in the plan: plan again' },
      { clusters: ['three'], message: 'namespace a: deny tightened' },
    ]);
  });

  it('refuses every owner that is added to a class of a cluster', () => {
    fc.assert(
      fc.property(anyPlan, fc.constantFrom('outside' as const, 'refused' as const, 'pending' as const), (plan, name) => {
        for (const each of plan.workloads) {
          const { begins, owners } = each[name];
          const more = { ...each[name], begins: begins + 1, ...(owners && { owners: [...owners, 'Pod c/new'] }) };
          const workloads = plan.workloads.map((other) => (other === each ? { ...other, [name]: more } : other));
          expect(beyondAccepted({ ...plan, workloads }, plan)).toEqual([expect.objectContaining({ clusters: [each.cluster] })]);
        }
      }),
    );
  });

  it.each([
    ['another owner in the place of one', { owners: ['Pod a/y'] }, { owners: ['Pod a/x'] }, ['Pod a/y']],
    ['an owner by number, where the plan names it', {}, { owners: ['Pod a/x'] }, undefined],
    ['an owner that could start before', {}, { eased: 1 }, undefined],
    [
      'an owner that could start before, also where the plan names it',
      { owners: ['Pod a/x'] },
      { owners: ['Pod a/x'], eased: 1 },
      undefined,
    ],
    [
      'an owner that could start before, in the place of one that could not',
      { ...TWO, easedOwners: ['Pod a/x'] },
      { ...TWO, easedOwners: ['Pod a/y'] },
      ['Pod a/y'],
    ],
    ['an owner more, though none of them could start before', { begins: 2, eased: 2 }, {}, undefined],
  ])('refuses %s', (_what, today, accepted, owners) => {
    const planWith = (change: Partial<PlannedClass>): PlannedEffects => {
      const none = { now: 0, after: 0, begins: 0, ends: 0 };
      return { ...nothing, workloads: [{ cluster: 'one', outside: none, refused: none, pending: { ...none, begins: 1, ...change } }] };
    };
    const [found, ...others] = beyondAccepted(planWith(today), planWith(accepted));
    expect([found?.clusters, found?.owners, others]).toEqual([['one'], owners, []]);
    expect(beyondAccepted(planWith(accepted), planWith(accepted))).toEqual([]);
  });

  it.each(['notLookedAt', 'notAnswered', 'partly'] as const)(
    'refuses what is not known today, also where the accepted plan did not know it: %s',
    (name) => {
      const plan = { ...nothing, [name]: ['one'] };
      expect(beyondAccepted(plan, plan)).toEqual([expect.objectContaining({ clusters: ['one'] })]);
    },
  );

  it('names the first 20 effects', () => {
    const namespaces = Array.from({ length: 5_000 }, (_, at) => `n${at}`);
    expect(beyondAccepted({ ...nothing, effects: [effect(CLUSTERS, namespaces, 'deny')] }, nothing)).toHaveLength(20);
  });
});
