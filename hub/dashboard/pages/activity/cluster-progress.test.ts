import { expect, it } from 'vitest';
import { countPositions, filterProgress, measureProgress, sortProgress } from './cluster-progress.ts';
import { at, NOTICED, stepsIn } from './testing/commit-activity.ts';

const refused = { time: at(450), reasons: [{ reason: 'not signed' }] };
const WAYS = [
  stepsIn('fast', [100, 200, 250, 400]),
  stepsIn('slow', [100, 900, 950, 2000]),
  stepsIn('refusing', [100], refused),
  stepsIn('gone', []),
  stepsIn('writing', [100, 300]),
  stepsIn('proving', [100, 300, 350]),
  stepsIn('asked', [100]),
].map((steps) => measureProgress(steps, NOTICED));
const names = (ways: readonly { cluster: string }[]): string[] => ways.map(({ cluster }) => cluster);

it('measures each leg from the end of the one before', () => {
  expect(WAYS[0]).toMatchObject({ place: 'proven', legs: { offered: 100, accepted: 100, written: 50, proven: 150 }, totalMs: 400 });
  expect(WAYS[2]).toMatchObject({ place: 'refused', legs: { offered: 100, accepted: null }, totalMs: 450 });
  expect(WAYS[3]).toMatchObject({ place: 'offer', totalMs: null });
});

it('merges a step that was not seen into the next one', () => {
  expect(measureProgress(stepsIn('eu', [undefined, 300, 350, 500]), NOTICED).legs).toEqual({
    offered: null,
    accepted: 300,
    written: 50,
    proven: 150,
  });
});

it('lists clusters in progress before the slowest', () => {
  expect(names(sortProgress(WAYS, '-total'))).toEqual(['refusing', 'gone', 'asked', 'writing', 'proving', 'slow', 'fast']);
  expect(names(sortProgress(WAYS, 'total'))[0]).toBe('fast');
  expect(names(sortProgress(WAYS, 'cluster'))[0]).toBe('asked');
  expect(names(sortProgress(WAYS, '-accepted')).slice(0, 4)).toEqual(['asked', 'gone', 'refusing', 'slow']);
});

it('finds clusters by name and by step', () => {
  expect(names(filterProgress(WAYS, { q: 'ING' }))).toEqual(['refusing', 'writing', 'proving']);
  expect(names(filterProgress(WAYS, { at: 'write' }))).toEqual(['writing']);
});

it('counts clusters by step, in order', () => {
  expect(countPositions(WAYS).map(({ place, count }) => [place, count])).toEqual([
    ['refused', 1],
    ['offer', 1],
    ['accept', 1],
    ['write', 1],
    ['prove', 1],
    ['proven', 2],
  ]);
});
