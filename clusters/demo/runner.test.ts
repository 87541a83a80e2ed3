import { describe, expect, it } from 'vitest';
import { compareWithAim, createRunner, StepFailed, summarize } from './runner.ts';

describe('createRunner', () => {
  it('prints one line a step and keeps the results', async () => {
    const lines: string[] = [];
    const runner = createRunner((line) => lines.push(line), false);
    await runner.step('first', () => Promise.resolve('all well'));
    await expect(runner.step('second', () => Promise.reject(new Error('no luck')))).rejects.toThrow(StepFailed);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^✓ first .* all well$/);
    expect(lines[1]).toMatch(/^✗ second .* no luck$/);
    expect(runner.results.map(({ name, ok }) => ({ name, ok }))).toEqual([
      { name: 'first', ok: true },
      { name: 'second', ok: false },
    ]);
  });
});

describe('summarize', () => {
  it('takes the middle of an odd number of samples and the mean of the middle two of an even number', () => {
    expect(summarize([5, 1, 9])).toEqual({ median: 5, max: 9, samples: [5, 1, 9] });
    expect(summarize([4, 2])).toEqual({ median: 3, max: 4, samples: [4, 2] });
  });
});

describe('compareWithAim', () => {
  it('reports a median within the aim and one beyond it alike: no machine is too slow for the demo', () => {
    expect(compareWithAim([400, 500, 2000])).toBe('median 500 ms, max 2000 ms of 3 commits; within the aim of 1000 ms on an idle machine');
    expect(compareWithAim([900, 1189, 2000])).toBe(
      'median 1189 ms, max 2000 ms of 3 commits; beyond the aim of 1000 ms on an idle machine',
    );
  });
});
