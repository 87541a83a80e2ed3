import { describe, expect, it } from 'vitest';
import { recordsOfTags } from './approvals.ts';
import { pauseRun, resumeRun } from './resume-run.ts';
import { TAGGED, UNTAGGED, VIOLATED } from './testing/commits.ts';
import { open } from './testing/rollout-fleet.ts';

const openCareful = () => {
  const fleet = open({ a: { soak: '10m', maxNewViolations: 0 }, b: { soak: '10m', approval: 'Required' } });
  const { world } = fleet;
  /** Commits a content that asks to skip waves. */
  const ask = (value: number, immediate = UNTAGGED): void => {
    world.commit({ contents: { a: value, b: value, c: value }, immediate });
    world.step();
  };
  const tag = (): void => {
    world.newest.immediate = TAGGED;
    world.step();
  };
  return { ...fleet, ask, tag };
};

describe('a commit that asks to skip waves', () => {
  it('goes by waves without its tags, and to every wave at once with them, without soak and gates', () => {
    const { work, wait, ask, tag, targets, view } = openCareful();
    ask(VIOLATED);
    expect(targets()).toEqual(['r1', 'r0', 'r0']);
    expect(view()).toMatchObject({ state: 'Progressing', immediate: { tag: 'fso/immediate/r1', since: null, missing: 1, taggedBy: [] } });
    tag();
    expect(targets()).toEqual(['r1', 'r1', 'r1']);
    const immediate = { signer: 'ana', taggedBy: ['bob'], since: expect.any(String), missing: 0, problems: [] };
    expect(view()).toMatchObject({ state: 'Finished', base: 'r1', halted: null, immediate });
    expect(view()?.waves.map(({ state, changed, progress }) => [state, changed, progress[0]?.state])).toEqual(
      Array(3).fill(['Finished', 1, 'Moving']),
    );
    work();
    wait(60);
    expect(view()?.waves.map(({ proven, progress }) => [proven, progress[0]?.state])).toEqual(Array(3).fill([1, 'Proven']));
    expect(view()?.halted).toBeNull();
  });

  it('supersedes one whose gate has failed, and passes a gate that has failed for itself', () => {
    const { commit, work, wait, ask, tag, targets, view } = openCareful();
    commit(VIOLATED);
    work('a1');
    wait(1);
    expect(view()?.state).toBe('Halted');
    ask(2, TAGGED);
    expect([targets(), view()?.state, view()?.halted]).toEqual([['r2', 'r2', 'r2'], 'Finished', null]);
    work();
    ask(VIOLATED);
    work('a1');
    wait(1);
    expect(view()?.state).toBe('Halted');
    tag();
    expect([targets(), view()?.state, view()?.halted]).toEqual([['r3', 'r3', 'r3'], 'Finished', null]);
  });

  it('waits for the end of a pause', () => {
    const { world, ask, tag, targets, view } = openCareful();
    ask(1);
    if (world.run !== undefined) world.run = pauseRun(world.run, 'ada', world.now);
    tag();
    expect([targets(), view()?.state, view()?.immediate]).toMatchObject([['r1', 'r0', 'r0'], 'Paused', { since: null, missing: 0 }]);
    if (world.run !== undefined) world.run = resumeRun(world.run, world.input());
    world.step();
    expect([targets(), view()?.state]).toEqual([['r1', 'r1', 'r1'], 'Finished']);
  });

  it('leaves the next one to go by waves, from what it brought', () => {
    const { work, wait, commit, ask, targets, view } = openCareful();
    ask(1, TAGGED);
    wait(1);
    commit(2);
    expect([targets(), view()?.base, view()?.immediate]).toEqual([['r1', 'r1', 'r1'], 'r1', null]);
    work();
    wait(1);
    expect(targets()).toEqual(['r2', 'r1', 'r1']);
  });

  it('continues from what is stored after a crash, and after a restart', () => {
    const { world, ask, targets, view } = openCareful();
    ask(1);
    const before = world.run;
    world.newest.immediate = TAGGED;
    world.step(true);
    expect([world.run, targets()]).toEqual([before, ['r1', 'r0', 'r0']]);
    world.restart();
    world.step();
    const stored = world.run;
    expect([targets(), view()?.immediate?.taggedBy]).toEqual([['r1', 'r1', 'r1'], ['bob']]);
    world.restart();
    // The tag may be gone by then.
    world.newest.immediate = UNTAGGED;
    world.step();
    expect([world.run, targets(), view()?.immediate?.taggedBy]).toEqual([stored, ['r1', 'r1', 'r1'], ['bob']]);
  });

  it('ends the waves where it takes the strategy out', () => {
    const { world, targets } = openCareful();
    world.commit({ strategy: undefined, contents: { a: 1, b: 1, c: 1 }, immediate: TAGGED });
    world.step();
    expect([world.run, targets()]).toEqual([undefined, ['r1', 'r1', 'r1']]);
  });

  it('is recorded with its signer and those who have tagged it', () => {
    const { world, ask } = openCareful();
    ask(1);
    world.newest.immediate = { ...TAGGED, signer: 'ana (A)', approvers: ['bob (B)'] };
    const { entry, event } = (world.run && recordsOfTags(world.run, world.input())) ?? {};
    expect([entry?.action, entry?.actor.id, entry?.subject, entry?.detail]).toEqual([
      'rollout.immediate',
      'ana (A)',
      'r1',
      { before: 'r0', taggedBy: ['bob (B)'] },
    ]);
    expect([event?.reason, event?.message]).toEqual(['RolloutImmediate', expect.stringContaining('signed by ana (A), tagged by bob (B)')]);
  });
});
