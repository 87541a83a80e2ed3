import type { RolloutView, RolloutWaveView } from '@fso/shared/api';

/** State of a wave as shown. A wave without work is `Skipped`. */
export type WaveState = RolloutWaveView['state'] | 'Skipped';

type Shown = Pick<RolloutView, 'state' | 'base' | 'revision'>;

/**
 * @param rollout rollout of the wave; once it has finished, it no longer shows what the wave
 * changed
 */
export const waveState = ({ state, changed }: RolloutWaveView, { base, revision }: Shown): WaveState =>
  state === 'Finished' && changed === 0 && base !== revision ? 'Skipped' : state;

/** Shares of the clusters that a wave changes, in per cent. */
interface WaveShares {
  readonly proven: number;
  /** Clusters that have the commit and have not proven it. */
  readonly moving: number;
}

/** Computes the shares of a wave. A finished wave without changes counts as proven. */
export const waveShares = ({ state, changed, moved, proven }: RolloutWaveView): WaveShares => {
  if (changed === 0) return { proven: state === 'Finished' ? 100 : 0, moving: 0 };
  return { proven: (100 * proven) / changed, moving: (100 * Math.max(0, moved - proven)) / changed };
};

/** Returns the commands in a sentence of the hub, which are in backticks. */
export const commandsIn = (sentence: string): readonly string[] => sentence.split('`').filter((_part, index) => index % 2 === 1);
