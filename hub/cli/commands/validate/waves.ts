import type { PolicySet } from '@fso/shared/decode';
import { OTHERS, wavesOf } from '@fso/shared/rollout';
import type { ValidationWarning } from './region-warnings.ts';

/** Wave with the names of its clusters. */
export interface WaveClusters {
  readonly name: string;
  readonly clusters: readonly string[];
}

/** Returns the waves of a commit in order, with their clusters; undefined: it has no strategy. */
export const wavesIn = ({ rollout, clusters }: PolicySet): readonly WaveClusters[] | undefined =>
  rollout &&
  wavesOf(
    rollout.document.spec,
    clusters.map(({ document: { metadata } }) => ({ name: metadata.name, labels: metadata.labels ?? {} })),
  ).map(({ name, clusters: members }) => ({ name, clusters: members }));

/** Warns of waves that select no cluster, for example because of a misspelled label. */
export const waveWarnings = ({ rollout }: PolicySet, waves: readonly WaveClusters[]): readonly ValidationWarning[] =>
  waves.flatMap(({ name, clusters }): ValidationWarning[] => {
    if (rollout === undefined || clusters.length > 0 || name === OTHERS) return [];
    return [{ ...rollout.source, type: 'WaveEmpty', reason: `wave ${name} selects no cluster: the next one does not wait for it` }];
  });
