import { describe, expect, it } from 'vitest';
import { open } from './testing/rollout-fleet.ts';

/** Lets pairs of minutes pass: one cluster is away in the first, and another in the second. */
const flap = ({ cluster, world, wait }: ReturnType<typeof open>, [one, other]: readonly [string, string], pairs: number): void => {
  for (let minute = 0; minute < 2 * pairs; minute += 1) {
    cluster(one).awaySince = minute % 2 === 0 ? world.now : null;
    cluster(other).awaySince = minute % 2 === 0 ? null : world.now;
    wait(60);
  }
};

describe('waves with clusters that come and go', () => {
  it('wait no longer than for one that is unreachable and one that has to prove the commit', () => {
    const fleet = open({ a: { proofWithin: '3m' } }, ['a1', 'a2', 'a3', 'b1']);
    fleet.commit(1);
    fleet.work('a3');
    flap(fleet, ['a1', 'a2'], 2);
    expect([fleet.targets(), fleet.view()?.waves[0]?.unreachable]).toEqual([['r1', 'r1', 'r1', 'r0'], []]);
    flap(fleet, ['a1', 'a2'], 2);
    expect([fleet.targets(), fleet.view()?.halted]).toEqual([['r1', 'r1', 'r1', 'r1'], null]);
  });

  it('name them, and wait again for one that stays', () => {
    const fleet = open({ a: { proofWithin: '3m', soak: '1h' } }, ['a1', 'a2', 'b1']);
    const { cluster, commit, work, wait, view } = fleet;
    commit(1);
    work('a2');
    flap(fleet, ['a1', 'none'], 4);
    expect(view()?.waves[0]).toMatchObject({ state: 'Soaking', unreachable: ['a1'] });
    cluster('a1').awaySince = null;
    wait(1);
    wait(178);
    expect(view()?.halted).toBeNull();
    wait(1);
    expect(view()?.halted).toMatchObject({ gate: 'ProofTime', clusters: ['a1'] });
  });

  it('wait for one that lacks objects, also where it comes and goes to ask for them', () => {
    const fleet = open({ a: { proofWithin: '3m' } }, ['a1', 'a2', 'b1']);
    fleet.commit(1);
    fleet.world.starved.add('a1');
    fleet.work();
    expect(fleet.view()?.halted).toBeNull();
    flap(fleet, ['a1', 'none'], 4);
    expect([fleet.targets(), fleet.view()?.halted]).toMatchObject([['r1', 'r1', 'r0'], { gate: 'ProofTime', clusters: ['a1'] }]);
  });

  it('continue once one has got the objects that it lacked', () => {
    const fleet = open({ a: { proofWithin: '3m' } }, ['a1', 'b1']);
    fleet.commit(1);
    fleet.world.starved.add('a1');
    fleet.work();
    fleet.wait(60);
    expect([fleet.targets(), fleet.view()?.halted]).toEqual([['r1', 'r0'], null]);
    fleet.world.starved.delete('a1');
    fleet.work();
    fleet.wait(60);
    expect([fleet.targets(), fleet.view()?.halted]).toEqual([['r1', 'r1'], null]);
  });

  it('do not count what a hub missed that was itself away', () => {
    const fleet = open({ a: { proofWithin: '3m' } }, ['a1', 'a2', 'b1']);
    fleet.commit(1);
    fleet.work('a2');
    for (let count = 0; count < 8; count += 1) {
      fleet.cluster('a1').awaySince = fleet.world.now;
      fleet.world.restart();
      fleet.wait(1);
      fleet.cluster('a1').awaySince = null;
      fleet.wait(60);
    }
    expect([fleet.targets(), fleet.view()?.waves[0]?.unreachable]).toEqual([['r1', 'r1', 'r0'], []]);
  });
});
