import { awaitedApproval, awaitedText } from './approvals.ts';
import { type RolloutCluster, type RolloutInput, type Wave, wavesOfRun } from './clusters.ts';
import { FACT_OF_GATE, type Facts, type Gate, type Halt, type Move, moveOf, parseRun, type RolloutRun } from './run.ts';

/** Thrown for a change of a rollout that is not, or no longer, the one that was meant. */
export class RolloutChangeRefused extends Error {
  override readonly name = 'RolloutChangeRefused';
}

/** @returns the stored run that a person means to change. @throws RolloutChangeRefused */
export const meantRun = (stored: unknown, revision: string | undefined): RolloutRun => {
  const run = parseRun(stored);
  if (run === undefined && stored !== undefined)
    throw new RolloutChangeRefused('Another version of the hub has stored the rollout: upgrade this one to change it.');
  if (run === undefined) throw new RolloutChangeRefused('No RolloutStrategy is in force: every cluster gets a commit at once.');
  if (revision !== undefined && revision !== run.revision)
    throw new RolloutChangeRefused(`The rollout is of ${run.revision} by now; look at it again.`);
  return run;
};

/** Holds a run where it is; a commit that changes nothing for a cluster still reaches it. */
export const pauseRun = (run: RolloutRun, by: string, now: number): RolloutRun =>
  run.paused === null ? { ...run, paused: { since: now, by: by.slice(0, 512) } } : run;

/** The wave at work begins its times again: what nobody looked at is no part of a soak. */
const renewed = ({ wave }: RolloutRun, now: number): RolloutRun['wave'] => wave && { ...wave, since: now, soakSince: null };

/** Other gates still compare with what was before, and this one where it is not known now. */
const acceptFact = (fact: keyof Facts, { before }: Move, { facts }: RolloutCluster): Pick<Move, 'before'> => {
  const known = facts?.[fact] ?? null;
  return known === null || before === undefined ? {} : { before: { ...before, [fact]: known } };
};

/** Accepts what a gate has found, as of now: it fails again only by what comes in addition. */
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

/** Lets an unseen wave go on. */
export const passUnseen = (run: RolloutRun, now: number): RolloutRun => {
  const wave = renewed(run, now);
  return { ...run, wave: wave && { ...wave, waived: true }, halt: null };
};

/** @throws RolloutChangeRefused where only an approval lets the wave go on */
const resumeUnseen = (run: RolloutRun, input: RolloutInput): RolloutRun => {
  const awaited = awaitedApproval(run, input);
  // Some cluster is looked at by now.
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
 * @param halt time of the failed gate that a person means, RFC 3339; absent: a pause is meant
 * @throws RolloutChangeRefused where something else keeps the run from going on
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
 * Ends a pause, or else passes the gate that has failed. The same run: there is neither.
 *
 * @throws RolloutChangeRefused where only an approval passes the gate
 */
export const resumeRun = (run: RolloutRun, input: RolloutInput): RolloutRun => {
  if (run.paused !== null) return { ...run, paused: null, wave: renewed(run, input.now) };
  return run.halt === null ? run : passGate(run, run.halt, input);
};
