import type { RolloutWaveView } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { commandsIn, waveShares, waveState } from './wave-state.ts';

const wave = (change: Partial<RolloutWaveView>): RolloutWaveView => ({
  name: 'canary',
  state: 'Moving',
  revision: 'a1',
  clusters: 8,
  changed: 8,
  moved: 4,
  proven: 2,
  unreachable: [],
  progress: [],
  gates: [],
  soaksUntil: null,
  approval: null,
  ...change,
});
const underWay = { state: 'Progressing', base: 'a1', revision: 'b2' } as const;

it('shows a wave as skipped where the commit on its way changes nothing', () => {
  const done = wave({ state: 'Finished', changed: 0, moved: 0, proven: 0 });
  expect(waveState(done, underWay)).toBe('Skipped');
  expect(waveState(done, { ...underWay, state: 'Finished', base: 'b2' })).toBe('Finished');
  expect(waveState(wave({ state: 'Finished' }), underWay)).toBe('Finished');
  expect(waveState(wave({ state: 'Waiting', changed: 0 }), underWay)).toBe('Waiting');
});

it('shows the shares of a wave', () => {
  expect(waveShares(wave({}))).toEqual({ proven: 25, moving: 25 });
  expect(waveShares(wave({ moved: 1, proven: 2 }))).toEqual({ proven: 25, moving: 0 });
  expect(waveShares(wave({ state: 'Finished', changed: 0 }))).toEqual({ proven: 100, moving: 0 });
  expect(waveShares(wave({ state: 'Waiting', changed: 0 }))).toEqual({ proven: 0, moving: 0 });
});

it('finds the commands of a sentence', () => {
  expect(commandsIn('`git revert c3` and push; or `fso rollout resume`.')).toEqual(['git revert c3', 'fso rollout resume']);
  expect(commandsIn('none')).toEqual([]);
});
