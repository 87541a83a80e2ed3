import type { RolloutStrategySpec, RolloutWave } from '../api/index.ts';
import { matchesSelector } from '../decode/index.ts';

/** Name of the last wave, of the clusters that no other wave selects. */
export const OTHERS = '(others)';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Converts a duration of a strategy to milliseconds: `30s`, `10m`, `2h`. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? 0);

/** Cluster as selectors see it. */
export interface SelectedCluster {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A wave and the clusters that it selects. */
export interface WaveMembers {
  readonly name: string;
  /** Undefined for the last wave, of clusters that no other wave selects. */
  readonly wave: RolloutWave | undefined;
  /** Names, in the order in which they were given. */
  readonly clusters: readonly string[];
}

/**
 * Returns the first wave that selects a cluster; undefined if the cluster is in the last wave,
 * {@link OTHERS}.
 */
export const waveOf = ({ waves }: RolloutStrategySpec, labels: SelectedCluster['labels']): RolloutWave | undefined =>
  waves.find(({ clusterSelector }) => matchesSelector(clusterSelector, labels));

/**
 * Assigns each cluster to the first wave that selects it, and the rest to a last wave. Waves keep
 * their order and may be empty. Pure.
 */
export const wavesOf = (strategy: RolloutStrategySpec, clusters: Iterable<SelectedCluster>): readonly WaveMembers[] => {
  const { waves } = strategy;
  const members: string[][] = [...waves.map((): string[] => []), []];
  for (const { name, labels } of clusters) {
    const wave = waveOf(strategy, labels);
    members.at(wave === undefined ? -1 : waves.indexOf(wave))?.push(name);
  }
  return members.map((names, at) => ({ name: waves[at]?.name ?? OTHERS, wave: waves[at], clusters: names }));
};
