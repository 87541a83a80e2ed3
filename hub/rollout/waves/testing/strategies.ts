import type { RolloutStrategySpec, RolloutWave } from '@fso/shared/api';
import { ZONES } from './commits.ts';

/** Strategies of the tests: `undefined` removes it. */
export const STRATEGIES: readonly (RolloutStrategySpec | undefined)[] = [
  undefined,
  strategyOf([{ zone: 'a', soak: '4m', proofWithin: '1m' }, { zone: 'b' }]),
  strategyOf([
    { zone: 'b', soak: '30s', maxNewViolations: 1 },
    { zone: 'a', maxConcurrency: 1 },
  ]),
  strategyOf(
    [
      { zone: 'none', maxNewViolations: 0 },
      { zone: 'a', maxNewViolations: 0 },
      { zone: 'c', soak: '2m' },
    ],
    ['bob'],
  ),
  strategyOf(
    ZONES.map((zone) => ({ zone, soak: '45s', maxNewViolations: 3 })),
    ['bob'],
  ),
  strategyOf(
    [
      { zone: 'a', soak: '30s' },
      { zone: 'b', approval: 'Required' },
      { zone: 'c', approval: 'Required', soak: '2m' },
    ],
    ['bob'],
  ),
];

interface WaveInZone extends Pick<RolloutWave, 'soak' | 'proofWithin' | 'maxNewViolations' | 'maxConcurrency' | 'approval'> {
  readonly zone: string;
}

function strategyOf(waves: readonly WaveInZone[], approvers?: string[]): RolloutStrategySpec {
  return {
    unreachableAfter: '2m',
    ...(approvers && { approvers }),
    waves: waves.map(({ zone, ...rule }) => ({ name: zone, clusterSelector: { matchLabels: { zone } }, proofWithin: '4m', ...rule })),
  };
}
