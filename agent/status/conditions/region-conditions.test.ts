import type { RegionConflict } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { ambiguousCondition, endingCondition } from './region-conditions.ts';

describe('RegionAmbiguous', () => {
  it('names the regions and the providers', () => {
    const conflicts = [
      { providers: ['alibaba', 'aws'], regions: ['eu-west-1'] },
      { providers: ['alibaba', 'ibm'], regions: ['eu-west-1', 'eu-x-1'] },
    ];
    expect(ambiguousCondition([])).toBeUndefined();
    expect(ambiguousCondition(conflicts)).toEqual({
      type: 'RegionAmbiguous',
      status: 'True',
      reason: 'ProvidersDiffer',
      message:
        'outside in this cluster: eu-west-1, eu-x-1, as its nodes are, or may be, of providers (alibaba, aws, ibm) that mean other places by it',
    });
  });
});

describe('RegionsEnding', () => {
  const END: RegionConflict = { providers: [], regions: ['eu-west-1'], from: '2026-03-31' };
  const on = (time: string, ...conflicts: RegionConflict[]) => {
    const condition = endingCondition([END, ...conflicts], new Date(time));
    return condition === undefined ? undefined : [condition.reason, condition.message];
  };
  const MESSAGE = 'outside from 2026-03-31 on: eu-west-1';

  it.each([
    ['2026-03-16T23:59:59Z', undefined],
    ['2026-03-17T00:00:00Z', ['Within14Days', MESSAGE]],
    ['2026-03-24T00:00:00Z', ['Within7Days', MESSAGE]],
    ['2026-03-30T00:00:00Z', ['Within1Days', MESSAGE]],
    ['2026-03-31T00:00:00Z', ['Ended', MESSAGE]],
    ['2026-04-14T00:00:01Z', undefined],
  ])('announces an end, and shows for a while that it came: %s', (time, expected) => {
    expect(on(time)).toEqual(expected);
  });

  it('goes by the end that comes first, and by none that begins or always holds', () => {
    const later = { providers: ['aws'], regions: ['eu-north-1'], from: '2026-04-05' };
    expect(
      on('2026-03-30T12:00:00Z', later, { providers: [], regions: ['x'], until: '2026-03-31' }, { providers: [], regions: ['y'] }),
    ).toEqual(['Within1Days', `${MESSAGE}; outside from 2026-04-05 on: eu-north-1`]);
    expect(on('2026-03-31T12:00:00Z', later)?.[0]).toBe('Within7Days');
  });
});
