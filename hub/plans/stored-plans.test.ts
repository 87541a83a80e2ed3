import type { RoleGrant } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import { PlanId, type StoredEffects } from '@fso/shared/effects';
import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { clusterFile } from '../../test/harness/policy-files.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { judgeAcceptance } from './judge-acceptance.ts';
import { outdatedPlans, type PlanMaker, planOf, type Stored, StoredPlans } from './stored-plans.ts';
import { digestOfScope, seesPlan, visibilityOf } from './visible-sides.ts';

const DAY_MS = 86_400_000;
const BASE = 'b'.repeat(64);
const effectsOf = (change: Partial<StoredEffects> = {}): StoredEffects => ({
  ...{ effects: [], patterns: [], workloads: [], notLookedAt: [], notAnswered: [], partly: [] },
  ...{ base: BASE, change: 'c'.repeat(64), options: 'd'.repeat(64) },
  ...change,
});
const MAKER: PlanMaker = { caller: 'user:ana', scope: null };
const effect = (namespaces: string[]): StoredEffects['effects'][number] => ({
  ...{ clusters: ['eu'], namespaces, action: 'deny', verdict: 'tightened', breaks: true },
  ...{ before: { regions: ['r1', 'r2'], injected: [] }, after: { regions: ['r1'], injected: [] } },
  ...{ pending: false, usable: null, elsewhere: null },
});

const open = () => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const plans = new StoredPlans(ledger.records, clock);
  const summary = () => ({ at: clock.now().toISOString(), by: 'Ana', result: 'Breaks' as const, source: 'main', revision: 'a'.repeat(40) });
  const add = (effects: StoredEffects = effectsOf(), maker = MAKER) => plans.add(summary(), effects, maker);
  return { clock, plans, add };
};

describe('stored plans', () => {
  it('are found by their id, and listed newest first', async () => {
    const { clock, plans, add } = open();
    const first = await add();
    await clock.advance(1000);
    const second = await add(effectsOf({ base: 'e'.repeat(64) }));
    expect(plans.list().map(({ summary }) => summary.id)).toEqual([second, first]);
    const stored = plans.get(PlanId.parse(first));
    expect(stored && planOf(stored)).toMatchObject({ id: first, by: 'Ana', base: BASE });
    expect(plans.get('0'.repeat(24))).toBeNull();
  });

  it('stand for equal ones of the same caller and scope within the day', async () => {
    const { clock, add } = open();
    const id = await add();
    expect(await add()).toBe(id);
    for (const maker of [
      { ...MAKER, caller: 'user:bob' },
      { ...MAKER, scope: 's' },
    ])
      expect(await add(effectsOf(), maker)).not.toBe(id);
    await clock.advance(DAY_MS);
    expect(await add()).not.toBe(id);
  });

  it('are not made of what is too large', async () => {
    const { plans, add } = open();
    const many = Array.from({ length: 50_001 }, () => 'a');
    expect(await add(effectsOf({ effects: [{ ...effect(['a']), clusters: many, namespaces: ['n'] }] }))).toBeNull();
    expect(await add(effectsOf({ notLookedAt: ['x'.repeat(256 * 1024)] }))).toBeNull();
    expect(plans.list()).toEqual([]);
  });

  it('go after 30 days, and leave the list at once', async () => {
    const { clock, plans, add } = open();
    const id = PlanId.parse(await add());
    await clock.advance(30 * DAY_MS + 1);
    expect([plans.list(), plans.get(id)?.summary.id]).toEqual([[], id]);
    await add();
    expect(plans.get(id)).toBeNull();
  });

  it('go, oldest first, where there are too many of one caller, or of all', () => {
    const stored = (count: number, caller: (at: number) => string, characters = 1): Stored[] =>
      Array.from({ length: count }, (_, at) => ({
        summary: {
          id: `${at}`,
          at: new Date(at * 1000).toISOString(),
          by: 'Ana',
          result: 'Breaks' as const,
          source: 'main',
          revision: 'a',
        },
        ...{ caller: caller(at), scope: null, content: '', characters, effects: {} },
      })).toReversed();
    const gone = (plans: Stored[]): number[] => outdatedPlans(plans, 0).map(({ summary }) => Number(summary.id));
    expect(gone(stored(302, () => 'one'))).toEqual([1, 0]);
    expect(gone(stored(302, (at) => (at < 2 ? 'other' : 'one')))).toEqual([]);
    expect(gone(stored(1_002, (at) => `caller ${at % 10}`))).toEqual([1, 0]);
    expect(gone(stored(9, () => 'one', 256 * 1024))).toEqual([0]);
    const acceptedAt = new Date(60_000).toISOString();
    expect(gone(stored(9, () => 'one', 256 * 1024).map((each, at) => (at === 8 ? { ...each, acceptedAt } : each)))).toEqual([1]);
    expect(gone(stored(33, (at) => `caller ${at % 10}`, 256 * 1024))).toEqual([0]);
  });
});

describe('plans of branches', () => {
  const stored = (at: number, branch: string, change: Partial<Stored> = {}): Stored => ({
    summary: {
      ...{ id: `${at}`, at: new Date(at * 1000).toISOString(), by: 'Ana', result: 'NothingBreaks', source: 'main', revision: 'a' },
      branch: { name: branch, revision: 'c'.repeat(40) },
    },
    ...{ caller: 'user:ana', scope: null, content: '', characters: 1, effects: { options: 'o' } },
    ...change,
  });
  const gone = (plans: Stored[]): number[] => outdatedPlans(plans, 0).map(({ summary }) => Number(summary.id));

  it('are kept while they are the last of their branch, scope and options, where they break nothing', () => {
    const [first, second] = [stored(1, 'one'), stored(2, 'one')];
    expect(gone([first, second, stored(3, 'two')])).toEqual([1]);
    expect(gone([first, stored(2, 'one', { scope: 's' }), stored(3, 'one', { effects: { options: 'other' } })])).toEqual([]);
    const breaking = { ...second, summary: { ...second.summary, result: 'Breaks' as const } };
    expect(gone([first, breaking])).toEqual([1]);
    expect(gone([breaking, stored(3, 'one')])).toEqual([]);
  });

  it('are kept of 50 branches of a caller, where they break nothing', () => {
    const plans = Array.from({ length: 52 }, (_, at) => stored(at, `branch ${at}`));
    expect(gone([...plans, stored(0, 'other', { caller: 'user:bob' })])).toEqual([1, 0]);
  });
});

describe('an acceptance', () => {
  const judge = async (
    named: (id: string) => string = (id) => id,
    today: { readonly effects?: StoredEffects; readonly scope?: string | null; readonly afterMs?: number } = {},
  ) => {
    const { clock, plans, add } = open();
    const id = PlanId.parse(await add(effectsOf({ effects: [effect(['finance', 'hr'])] })));
    await clock.advance(today.afterMs ?? 0);
    const { effects = effectsOf({ effects: [effect(['finance'])] }), scope = null } = today;
    return judgeAcceptance(named(id), { effects, scope, nowMs: clock.now().getTime() }, (each) => plans.get(each));
  };

  it('names who made the plan, and when', async () => {
    expect(await judge()).toEqual({
      state: 'Accepted',
      plan: expect.any(String),
      by: 'Ana',
      at: new FakeClock().now().toISOString(),
      beyond: [],
    });
  });

  it('refuses what is new, and names it', async () => {
    const effects = effectsOf({ effects: [effect(['finance', 'new'])] });
    expect(await judge(undefined, { effects })).toMatchObject({
      state: 'Beyond',
      beyond: [{ clusters: ['eu'], message: 'namespace new: deny tightened' }],
    });
  });

  it.each([
    ['NoPlanId', () => '', {}],
    ['NoPlanId', () => `<script>${'x'.repeat(100_000)}`, {}],
    ['NoPlanId', (id: string) => `${id} `, {}],
    ['UnknownPlan', () => '0'.repeat(24), {}],
    ['ExpiredPlan', undefined, { afterMs: 30 * DAY_MS + 1 }],
    ['OtherBase', undefined, { effects: effectsOf({ base: 'e'.repeat(64) }) }],
    ['OtherOptions', undefined, { effects: effectsOf({ options: 'e'.repeat(64) }) }],
    // A caller who sees a part does not learn that there is one.
    ['UnknownPlan', undefined, { scope: 's' }],
  ] as const)('is none: %s', async (state, named, today) => {
    const { plan, beyond, ...found } = await judge(named, today);
    expect([found.state, beyond]).toEqual([state, []]);
    expect(plan === null).toBe(state === 'NoPlanId');
  });

  it('is none of a plan for a part of the fleet in the whole', async () => {
    const { clock, plans, add } = open();
    const id = PlanId.parse(await add(effectsOf(), { ...MAKER, scope: 's' }));
    const today = { effects: effectsOf(), scope: null, nowMs: clock.now().getTime() };
    expect(judgeAcceptance(id, today, (each) => plans.get(each)).state).toBe('OtherScope');
  });
});

describe('sight of a stored plan', () => {
  const decoded = decodeFiles(['eu', 'us'].map((name) => ({ path: `clusters/${name}.yaml`, text: clusterFile(name, ['eu-west-1']) })));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const sees = (grant: Partial<RoleGrant>, plan: StoredEffects): boolean =>
    seesPlan(visibilityOf([{ role: 'viewer', ...grant }], decoded.set), plan);
  const none = { now: null, after: null, begins: 0, ends: 0 };
  const named = (owner: string): StoredEffects['workloads'] => [
    { cluster: 'eu', outside: none, refused: { ...none, begins: 1, owners: [owner] }, pending: none },
  ];

  it.each([
    ['a cluster', { clusters: { clusterNames: ['eu'] } }, effectsOf({ effects: [effect(['finance'])] }), true],
    ['no cluster', { clusters: { clusterNames: ['us'] } }, effectsOf({ effects: [effect(['finance'])] }), false],
    ['no cluster of those without an answer', { clusters: { clusterNames: ['eu'] } }, effectsOf({ notAnswered: ['us'] }), false],
    ['the namespace', { policies: { targetNamespaces: ['fin*'] } }, effectsOf({ effects: [effect(['finance'])] }), true],
    ['one of two namespaces', { policies: { targetNamespaces: ['fin*'] } }, effectsOf({ effects: [effect(['finance', 'hr'])] }), false],
    ['no namespace of a pattern', { policies: { targetNamespaces: ['fin*'] } }, effectsOf({ effects: [effect(['*'])] }), false],
    ['the namespace of an owner', { policies: { targetNamespaces: ['fin*'] } }, effectsOf({ workloads: named('Pod finance/a') }), true],
    ['no namespace of an owner', { policies: { targetNamespaces: ['fin*'] } }, effectsOf({ workloads: named('Pod hr/finance') }), false],
    ['policies by name', { policies: { policyNames: ['*'] } }, effectsOf({ effects: [effect(['finance'])] }), false],
  ])('depends on what grants select: %s', (_what, grant, plan, expected) => {
    expect(sees(grant, plan)).toBe(expected);
  });

  it('has the same scope in any order and role of the grants', () => {
    const grants: RoleGrant[] = [
      { role: 'viewer', clusters: { clusterNames: ['eu'] } },
      { role: 'operator', policies: { targetNamespaces: ['finance'] } },
    ];
    const others = grants.toReversed().map((grant) => ({ ...grant, role: 'admin' as const }));
    expect(digestOfScope(others)).toBe(digestOfScope(grants));
    expect(digestOfScope(grants.slice(1))).not.toBe(digestOfScope(grants));
  });
});
