import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MovedCluster, RolloutCluster, RolloutInput, Wave } from './clusters.ts';
import { RunPlan } from './plan-run.ts';
import type { RolloutRun } from './run.ts';
import { rolloutProperty } from './testing/rollout-commands.ts';
import type { Faults } from './testing/rollout-world.ts';

/** Schedules of each property; FSO_TEST_RUNS is another number of them. */
const { numRuns = 2_000, seed = Math.floor(Math.random() * 2 ** 31) } = fc.readConfigureGlobal();

/** More than a schedule takes on a slow machine, in milliseconds. */
const SCHEDULE_MS = 100;

describe(`a rollout in ${numRuns} schedules of seed ${seed}`, { timeout: numRuns * SCHEDULE_MS }, () => {
  it('keeps its rules and ends, in any order of commits, joins, leaves, labels, approvals, pauses, answers and crashes', () => {
    fc.assert(rolloutProperty(), { numRuns, seed });
  });
});

/** Waits in an empty wave for a cluster to look at. */
class EmptyWaveWaits extends RunPlan {
  protected override skipUnchanged(): void {
    for (const wave of this.waves)
      if (wave.members.length > 0 && this.run.reached[wave.number] !== this.run.revision && this.changedIn(wave).length === 0)
        this.finishWave(wave);
  }
  protected override soak(wave: Wave, state: NonNullable<RolloutRun['wave']>): boolean {
    return wave.members.length > 0 && super.soak(wave, state);
  }
}

/** Takes waves that had finished the superseded commit for those that have finished the newest. */
class SupersedesOneTooFar extends RunPlan {
  protected override supersede(): void {
    const { revision, base } = this.run;
    super.supersede();
    if (revision === this.run.revision || revision === base.revision) return;
    this.run.reached = this.run.reached.map((reached) => (reached === revision ? this.run.revision : reached));
  }
}

/** Orders the waves by the strategy that the newest commit brings. */
class NewStrategyRules extends RunPlan {
  constructor(before: RolloutRun, input: RolloutInput) {
    super({ ...before, base: { ...before.base, strategy: input.newest.strategy ?? before.base.strategy } }, input);
  }
}

/** Waits for clusters that are gone. */
class WaitsForTheUnreachable extends RunPlan {
  protected override movedIn(wave: Wave): readonly MovedCluster[] {
    return super.movedIn(wave).map((each) => (each.progress === 'away' ? { ...each, progress: 'moving' as const } : each));
  }
}

/** Takes a cluster for late as soon as it does not show its proof any more. */
class ForgetsProofs extends RunPlan {
  constructor(before: RolloutRun, input: RolloutInput) {
    const moves = Object.entries(before.moves).map(([name, { seen: _, ...move }]) => [name, move]);
    super({ ...before, moves: Object.fromEntries(moves) }, input);
  }
}

/** Gives a cluster that comes back the whole time again, however often it does. */
class ForgetsAbsences extends RunPlan {
  constructor(before: RolloutRun, input: RolloutInput) {
    const moves = Object.entries(before.moves).map(([name, { absences: _, ...move }]) => [name, move]);
    super({ ...before, moves: Object.fromEntries(moves) }, input);
  }
}

/** Lets a commit skip waves that only asks for it. */
class SkipsWithoutTags extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    super(before, { ...input, newest: { ...newest, immediate: newest.immediate && { ...newest.immediate, isGiven: true } } });
  }
}

/** Leaves a commit to its waves that has its tags. */
class IgnoresTags extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    super(before, { ...input, newest: { ...newest, immediate: undefined } });
  }
}

/** Takes tags for given of which none is missing, also where a signer has taken them back. */
class SkipsByRevokedTags extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    const { immediate } = newest;
    super(before, { ...input, newest: { ...newest, immediate: immediate && { ...immediate, isGiven: immediate.missing === 0 } } });
  }
}

/** Lets an unseen wave go on without its approval. */
class GoesOnUnapproved extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    super(before, { ...input, newest: { ...newest, approval: newest.approval && { ...newest.approval, isGiven: true } } });
  }
}

/** Lets an unseen wave go on by approvals that a signer has revoked. */
class GoesOnByRevoked extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    const { approval } = newest;
    super(before, { ...input, newest: { ...newest, approval: approval && { ...approval, isGiven: approval.missing === 0 } } });
  }
}

/** Leaves an unseen wave halted that is approved. */
class IgnoresApprovals extends RunPlan {
  constructor(before: RolloutRun, { newest, ...input }: RolloutInput) {
    super(before, { ...input, newest: { ...newest, approval: undefined } });
  }
}

/** Leaves clusters out that did not take what their waves have finished. */
class LeavesOutOlder extends RunPlan {
  protected override isComparable(wave: Wave, cluster: RolloutCluster): boolean {
    return super.isComparable(wave, { ...cluster, refused: null }, false);
  }
}

const BUGS: Readonly<Record<string, Faults>> = {
  'an empty wave that waits': { Plan: EmptyWaveWaits },
  'a supersession that goes one too far': { Plan: SupersedesOneTooFar },
  'a write that is lost': { losesWrites: true },
  'the strategy of the new commit': { Plan: NewStrategyRules },
  'an unreachable cluster that holds its wave': { Plan: WaitsForTheUnreachable },
  'a proven cluster that is late once it restarts': { Plan: ForgetsProofs },
  'a cluster that comes and goes and holds its wave': { Plan: ForgetsAbsences },
  'a commit that skips waves by itself': { Plan: SkipsWithoutTags },
  'a tagged commit that goes by waves': { Plan: IgnoresTags },
  'a commit that skips waves by revoked tags': { Plan: SkipsByRevokedTags },
  'an agent that takes a revoked approval': { takesRevoked: true },
  'an unseen wave that goes on without an approval': { Plan: GoesOnUnapproved },
  'an unseen wave that goes on by a revoked approval': { Plan: GoesOnByRevoked },
  'an unseen wave that stays halted with its approval': { Plan: IgnoresApprovals },
  'an operator who lets an unseen wave go on in the place of approvers': { resumesUnseen: true },
  'a cluster that is sent back': { sendsBack: true },
  'a cluster that is not looked at since it refused a commit': { Plan: LeavesOutOlder },
  'an agent whose signers wait for its wave': { signersWait: true },
};

describe('finds a planted bug:', () => {
  it.each(Object.entries(BUGS))('%s', (_title, faults) => {
    // The rarest of them shows in one of some hundred schedules.
    expect(fc.check(rolloutProperty(faults), { numRuns: 5 * numRuns, seed, endOnFailure: true }).failed).toBe(true);
  });
});
