import { awaitedApproval, awaitedText } from './approvals.ts';
import { type RolloutCluster, type RolloutInput, type Wave, wavesOfRun } from './clusters.ts';
import { FACT_OF_GATE, type Facts, type Gate, type Halt, type Move, moveOf, parseRun, type RolloutRun } from './run.ts';

/** Refusal of a change that does not fit the rollout, or no longer does. */
export class RolloutChangeRefused extends Error {
  override readonly name = 'RolloutChangeRefused';
}

/**
 * Parses the stored run, for a person who wants to change the run of a revision.
 *
 * @throws RolloutChangeRefused if there is none, or it is of another revision
 */
export const meantRun = (stored: unknown, revision: string | undefined): RolloutRun => {
  const run = parseRun(stored);
  if (run === undefined && stored !== undefined)
    throw new RolloutChangeRefused('Another version of the hub has stored the rollout: upgrade this one to change it.');
  if (run === undefined) throw new RolloutChangeRefused('No RolloutStrategy is in force: every cluster gets a commit at once.');
  if (revision !== undefined && revision !== run.revision)
    throw new RolloutChangeRefused(`The rollout is of ${run.revision} by now; look at it again.`);
  return run;
};

/** Pauses a run. A commit that changes nothing for a cluster still reaches the cluster. */
export const pauseRun = (run: RolloutRun, by: string, now: number): RolloutRun =>
  run.paused === null ? { ...run, paused: { since: now, by: by.slice(0, 512) } } : run;

/** Restarts the times of the wave at work: time in which no gate was checked is no soak. */
const renewed = ({ wave }: RolloutRun, now: number): RolloutRun['wave'] => wave && { ...wave, since: now, soakSince: null };

/** Makes the current value of a fact, if it is known, the one to compare with from now on. */
const acceptFact = (fact: keyof Facts, { before }: Move, { facts }: RolloutCluster): Pick<Move, 'before'> => {
  const known = facts?.[fact] ?? null;
  return known === null || before === undefined ? {} : { before: { ...before, [fact]: known } };
};

/** Accepts what a gate has found in a cluster so far. It fails again only by further findings. */
const waive = (
  wave: Wave,
  gate: Exclude<Gate, 'NothingLookedAt'>,
  move: Move,
  { name, input }: { name: string; input: RolloutInput },
): Move => {
  const cluster = input.clusters.get(name);
  if (cluster === undefined) return move;
  if (gate === 'Refused' || gate === 'ProofTime') {
    const followed = wave.follow(cluster, move, input.now);
    const isFound = followed.progress === (gate === 'Refused' ? 'refused' : 'late');
    return isFound ? { ...followed.move, unlooked: true } : followed.move;
  }
  return { ...move, ...acceptFact(FACT_OF_GATE[gate], move, cluster) };
};

/** Lets an unseen wave continue. */
export const passUnseen = (run: RolloutRun, now: number): RolloutRun => {
  const wave = renewed(run, now);
  return { ...run, wave: wave && { ...wave, waived: true }, halt: null };
};

/** Passes the gate of an unseen wave. @throws RolloutChangeRefused if only an approval can */
const resumeUnseen = (run: RolloutRun, input: RolloutInput): RolloutRun => {
  const awaited = awaitedApproval(run, input);
  // The gates look at some cluster by now.
  if (awaited === undefined) return { ...run, wave: renewed(run, input.now), halt: null };
  if (awaited.unneeded !== null || awaited.isGiven) return passUnseen(run, input.now);
  const problems = awaited.problems.map((problem) => ` ${problem}.`).join('');
  throw new RolloutChangeRefused(
    `No resume passes gate NothingLookedAt of wave ${awaited.wave}. Next: ${awaitedText(run, awaited)}.${problems}`,
  );
};

/** Passes the gate that has failed. @throws RolloutChangeRefused */
const passGate = (run: RolloutRun, { gate, wave: name }: Halt, input: RolloutInput): RolloutRun => {
  if (gate === 'NothingLookedAt') return resumeUnseen(run, input);
  const moves = { ...run.moves };
  const halted = wavesOfRun(run, input.clusters).find((wave) => wave.name === name);
  for (const member of halted?.members ?? []) {
    const move = moveOf(run, member);
    if (halted !== undefined && move?.revision === run.revision) moves[member] = waive(halted, gate, move, { name: member, input });
  }
  return { ...run, moves, wave: renewed(run, input.now), halt: null };
};

/**
 * Checks that what stops a run is what a person wants to pass.
 *
 * @param halt time of the failed gate to pass, RFC 3339; absent to end a pause
 * @throws RolloutChangeRefused if something else stops the run, or nothing does
 */
export const assertResumable = ({ paused, halt: failed }: RolloutRun, halt: string | undefined): void => {
  if (paused !== null) {
    if (halt === undefined) return;
    throw new RolloutChangeRefused(`The rollout was paused by ${paused.by} meanwhile; look at it again.`);
  }
  if (failed === null) throw new RolloutChangeRefused('The rollout is neither paused nor halted.');
  if (halt !== undefined && Date.parse(halt) === failed.since) return;
  const since = new Date(failed.since).toISOString();
  const found = `Gate ${failed.gate} of wave ${failed.wave} has failed at ${since}: ${failed.problem}.`;
  throw new RolloutChangeRefused(`${found} Look at it; a resume that passes it names that time.`);
};

/**
 * Ends a pause, or else passes the gate that has failed. Returns the same run if there is neither.
 *
 * @throws RolloutChangeRefused if only an approval passes the gate
 */
export const resumeRun = (run: RolloutRun, input: RolloutInput): RolloutRun => {
  if (run.paused !== null) return { ...run, paused: null, wave: renewed(run, input.now) };
  return run.halt === null ? run : passGate(run, run.halt, input);
};
