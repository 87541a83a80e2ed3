import { describe, expect, it } from 'vitest';
import { recordsOfTags } from './approvals.ts';
import { pauseRun } from './resume-run.ts';
import { parseRun } from './run.ts';
import { open } from './testing/rollout-fleet.ts';

const TAG = 'fso/approve/r1/a';

/** Opens a fleet whose first wave is away, and halted as nothing was looked at. */
const openUnseen = (approvers: string[] | null = ['bob', 'carol']) => {
  const fleet = open({ a: { soak: '1m', proofWithin: '3m' }, b: {} }, ['a1', 'b1', 'c1'], approvers ?? undefined);
  const { world, cluster, commit, wait } = fleet;
  cluster('a1').awaySince = world.now;
  commit(1);
  wait(120);
  return {
    ...fleet,
    /** @returns the message of a resume that is refused */
    refusal: (): unknown => {
      const before = world.run;
      const message = world.resume();
      expect(world.run).toBe(before);
      return message;
    },
    resume: (): void => {
      expect(world.resume()).toBeUndefined();
      world.step();
    },
    approve: (wave = 'a'): void => {
      world.approve(wave);
      world.step();
    },
  };
};

describe('an unseen wave', () => {
  it('continues by an approval alone, which the stored run keeps', () => {
    const { world, approve, refusal, wait, targets, view } = openUnseen();
    const { halted } = view() ?? {};
    expect(halted).toMatchObject({ gate: 'NothingLookedAt', approval: { tag: TAG, missing: 1, approvers: ['bob', 'carol'] } });
    expect(halted?.next).toContain('`fso rollout approve a`, which prints how to make 1 signed tag fso/approve/r1/a of bob or carol');
    expect(halted?.next).not.toContain('`fso rollout resume');
    expect(refusal()).toMatch(
      /^No resume passes gate NothingLookedAt of wave a\. Next: `fso rollout approve a`.* fso\/approve\/r1\/a of bob/,
    );
    approve('b');
    expect(view()?.state).toBe('Halted');
    approve();
    expect([view()?.state, view()?.waves[0]?.state, targets()]).toEqual(['Progressing', 'Soaking', ['r1', 'r0', 'r0']]);
    world.run = parseRun(JSON.parse(JSON.stringify(world.run)));
    world.restart();
    world.revoke('a');
    wait(120);
    expect([view()?.halted, targets().slice(1)]).toEqual([null, ['r1', 'r0']]);
  });

  it('waits where a signer has revoked the approval, for a newer commit', () => {
    const { world, approve, refusal, commit, wait, targets, view } = openUnseen();
    world.revoke('a');
    approve();
    expect(view()?.halted).toMatchObject({ approval: { missing: 0, problems: ['revoked'] } });
    expect(refusal()).toContain('a newer commit, as a signer has revoked the approval of this one. revoked.');
    commit(2);
    wait(120);
    // An approval is of one commit.
    expect([view()?.halted?.approval?.tag, targets()[1]]).toEqual(['fso/approve/r2/a', 'r0']);
    approve();
    wait(60);
    expect(targets()[1]).toBe('r2');
  });

  it('is passed by a resume where the strategy has no approvers, and shows why', () => {
    const { resume, wait, targets, view } = openUnseen(null);
    expect(view()?.halted).toMatchObject({
      approval: null,
      next: expect.stringMatching(/`fso rollout resume --halt .*; no approval is asked for, as no approvers\.$/),
    });
    resume();
    wait(60);
    expect(targets()[1]).toBe('r1');
  });

  it('is looked at again by a resume once a cluster has proven the commit, and halts again without it', () => {
    const { world, cluster, work, resume, refusal, wait, targets, view } = openUnseen();
    cluster('a1').awaySince = null;
    wait(1);
    expect(refusal()).toContain('or a resume once a cluster of the wave has proven the commit');
    work('a1');
    expect(view()?.halted).toMatchObject({ approval: null, next: expect.stringContaining('which accepts what was found.') });
    resume();
    expect(view()?.waves[0]?.state).toBe('Soaking');
    cluster('a1').awaySince = world.now;
    wait(120);
    expect([view()?.halted?.gate, view()?.halted?.approval?.tag, targets()[1]]).toEqual(['NothingLookedAt', TAG, 'r0']);
  });

  it('stays where it is during a pause', () => {
    const { world, approve, resume, wait, targets, view } = openUnseen();
    if (world.run !== undefined) world.run = pauseRun(world.run, 'ada', world.now);
    approve();
    expect(view()).toMatchObject({
      state: 'Paused',
      halted: { next: expect.stringContaining('or `fso rollout resume`, as it is approved.'), approval: { missing: 0 } },
    });
    resume();
    wait(60);
    expect([view()?.halted, targets()[1]]).toEqual([null, 'r1']);
  });

  it('stays halted after a resume that left no cluster to look at', () => {
    const { commit, wait, resume, refusal, view } = (() => {
      const fleet = openUnseen();
      fleet.cluster('a1').awaySince = null;
      return fleet;
    })();
    commit(2);
    wait(180);
    expect(view()?.halted?.gate).toBe('ProofTime');
    resume();
    expect(view()?.halted?.gate).toBe('NothingLookedAt');
    expect(refusal()).toContain('fso/approve/r2/a');
  });

  it('is recorded with those who have approved it', () => {
    const { world } = openUnseen();
    const records = () => world.run && recordsOfTags(world.run, world.input());
    expect(records()).toBeUndefined();
    world.approve('a');
    expect(records()).toMatchObject({
      entry: { action: 'rollout.approve', actor: { kind: 'git', id: 'bob' }, subject: 'r1', detail: { wave: 'a', approvedBy: ['bob'] } },
      event: { reason: 'RolloutApproved', message: expect.stringContaining('signed by ana, approved by bob.') },
    });
    world.step();
    expect(records()).toBeUndefined();
  });
});
