import { type RolloutInput, wavesOfRun } from './clusters.ts';
import type { Halt, Move, RolloutRun } from './run.ts';

/** Holds a run where it is; a commit that changes nothing for a cluster still reaches it. */
export const pauseRun = (run: RolloutRun, by: string, now: number): RolloutRun =>
  run.paused === null ? { ...run, paused: { since: now, by: by.slice(0, 512) } } : run;

/** Accepts what a gate has found, as of now: it fails again only by what comes in addition. */
const waive = ({ gate, clusters: named }: Halt, name: string, move: Move, { clusters }: RolloutInput): Move => {
  if (gate === 'Refused' || gate === 'ProofTime') return named.includes(name) ? { ...move, unlooked: true } : move;
  const facts = clusters.get(name)?.facts ?? null;
  return facts === null || move.before === undefined ? move : { ...move, before: facts };
};

const passGate = (run: RolloutRun, halt: Halt, input: RolloutInput): RolloutRun => {
  const members = wavesOfRun(run, input.clusters).find(({ name }) => name === halt.wave)?.members ?? [];
  const moves = { ...run.moves };
  for (const name of members) {
    const move = moves[name];
    if (move?.revision === run.revision) moves[name] = waive(halt, name, move, input);
  }
  const wave = run.wave && { ...run.wave, waived: run.wave.waived || halt.gate === 'NothingLookedAt' };
  return { ...run, moves, wave, halt: null };
};

/** Ends a pause, or else passes the gate that has failed. The same run: there is neither. */
export const resumeRun = (run: RolloutRun, input: RolloutInput): RolloutRun => {
  if (run.paused !== null) return { ...run, paused: null };
  return run.halt === null ? run : passGate(run, run.halt, input);
};
