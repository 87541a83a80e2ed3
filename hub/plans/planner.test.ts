import type { RoleGrant } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import type { StoredEffects } from '@fso/shared/effects';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it, vi } from 'vitest';
import { clusterFile } from '../../test/harness/policy-files.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { Planner } from './planner.ts';
import { StoredPlans } from './stored-plans.ts';
import { scriptedBranches } from './testing/scripted-branches.ts';
import { digestOfScope, visibilityOf } from './visible-sides.ts';

/** Parts of a planner without agents and branches. */
const PARTS = { agents: { preview: async () => 'NotConnected' as const }, branches: scriptedBranches() };

it('counts the plans of a caller in the whole fleet and in parts of it together', () => {
  const whole = new Planner({
    ledger: createMemoryLedger({ clock: systemClock }),
    clock: systemClock,
    ...PARTS,
  });
  const part = () => whole.within([{ role: 'viewer' }]);
  for (let count = 0; count < 10; count += 1) expect([whole.mayPlan('user:ana'), part().mayPlan('user:ana')]).toEqual([true, true]);
  expect([whole.mayPlan('user:ana'), part().mayPlan('user:ana'), part().mayPlan('user:bob')]).toEqual([false, false, true]);
});

describe('plans for a caller who sees a part', () => {
  const CLUSTERS = ['ap', 'eu', 'us'];
  const decoded = decodeFiles(CLUSTERS.map((name) => ({ path: `clusters/${name}.yaml`, text: clusterFile(name, ['r1']) })));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const commit = { revision: 'a'.repeat(40), set: decoded.set, clusters: new Map() };
  const grants: RoleGrant[] = [{ role: 'viewer', policies: { targetNamespaces: ['finance-*'] } }];
  const effectsOf = (namespaces: string[]): StoredEffects => ({
    effects: [
      {
        ...{ clusters: CLUSTERS, namespaces, action: 'deny', verdict: 'appears', breaks: true },
        ...{ before: null, after: { regions: ['r1'], injected: [] }, pending: false, usable: null, elsewhere: null },
      },
    ],
    ...{ patterns: [], workloads: [], notLookedAt: [], notAnswered: [], partly: [] },
    ...{ base: 'b'.repeat(64), change: 'c'.repeat(64), options: 'd'.repeat(64) },
  });
  const open = async () => {
    const ledger = createMemoryLedger({ clock: systemClock });
    await ledger.setDesired(commit);
    const store = new StoredPlans(ledger.records, systemClock);
    const whole = new Planner({ ledger, clock: systemClock, ...PARTS });
    const add = async (namespaces: string[]): Promise<string | null> =>
      store.add(
        { at: new Date().toISOString(), by: 'Ana', result: 'Breaks', source: 'main', revision: commit.revision },
        effectsOf(namespaces),
        {
          caller: 'user:ana',
          scope: digestOfScope(grants),
        },
      );
    return { ledger, add, part: () => whole.within(grants) };
  };

  it('are looked at once for each commit, and once for clusters with the same grants', async () => {
    const { ledger, add, part } = await open();
    const [id] = [await add(['finance-a', 'finance-b']), await add(['hr'])];
    using looks = vi.spyOn(Object.getPrototypeOf(visibilityOf(grants, commit.set).at('eu')), 'seesNamespaces');
    const listed = async (): Promise<string[]> => (await part().list()).map((plan) => plan.id);
    expect([await listed(), looks.mock.calls.length]).toEqual([[id], 3]);
    expect([await listed(), (await part().stored(`${id}`))?.plan.id, looks.mock.calls.length]).toEqual([[id], id, 3]);
    await ledger.setDesired({ ...commit, set: { ...commit.set } });
    expect([await listed(), looks.mock.calls.length]).toEqual([[id], 6]);
  });

  it('are shown for 30 days', async () => {
    const { ledger, add, part } = await open();
    const id = `${await add(['finance-a'])}`;
    const inDays = (days: number) => {
      const clock = { ...systemClock, now: () => new Date(Date.now() + days * 86_400_000) };
      return new Planner({ ledger, clock, ...PARTS }).within(grants);
    };
    expect([(await part().stored(id))?.plan.id, (await inDays(29).stored(id))?.plan.id, await inDays(31).stored(id)]).toEqual([
      id,
      id,
      undefined,
    ]);
    expect([(await inDays(29).list()).length, await inDays(31).list()]).toEqual([1, []]);
  });

  it('are listed in slices of time, between which others run', async () => {
    const { add, part } = await open();
    for (const namespace of ['finance-a', 'finance-b', 'finance-c']) await add([namespace]);
    // Each look at this clock takes longer than a slice.
    let nowMs = 0;
    using _clock = vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 1_000));
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    expect(await part().list()).toHaveLength(3);
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(3);
  });
});
