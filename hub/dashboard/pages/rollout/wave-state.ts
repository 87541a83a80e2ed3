import type { RolloutView, RolloutWaveView } from '@fso/shared/api';

/** State of a wave as it is shown: one that has nothing to do is skipped. */
export type WaveState = RolloutWaveView['state'] | 'Skipped';

type Shown = Pick<RolloutView, 'state' | 'base' | 'revision'>;

/** @param rollout the one of the wave: once it has finished, nothing tells what it changed */
export const waveState = ({ state, changed }: RolloutWaveView, { base, revision }: Shown): WaveState =>
  state === 'Finished' && changed === 0 && base !== revision ? 'Skipped' : state;

/** Shares of the clusters that a wave changes, in per cent. */
interface WaveShares {
  readonly proven: number;
  /** Given the commit, and not proven. */
  readonly moving: number;
}

/** Computes the shares of a wave; one without changes counts as proven once it has finished. */
export const waveShares = ({ state, changed, moved, proven }: RolloutWaveView): WaveShares => {
  if (changed === 0) return { proven: state === 'Finished' ? 100 : 0, moving: 0 };
  return { proven: (100 * proven) / changed, moving: (100 * Math.max(0, moved - proven)) / changed };
};

/** Commands in a sentence of the hub, which stand in backticks. */
export const commandsIn = (sentence: string): readonly string[] => sentence.split('`').filter((_part, index) => index % 2 === 1);
