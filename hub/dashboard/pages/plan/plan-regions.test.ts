import type { Plan } from '@fso/shared/effects/portable';
import { expect, it } from 'vitest';
import { regionView } from '../../map/testing/region-view.ts';
import { allowedAfter, planRegions, planRegionViews } from './plan-regions.ts';

type Effect = Plan['effects'][number];

const rule = (...regions: string[]): Effect['before'] => ({ regions, injected: [], policies: [] });
const effect = (before: Effect['before'], after: Effect['after'], namespaces = ['finance']): Effect => ({
  ...{ clusters: ['eu'], action: 'deny', verdict: 'incomparable', breaks: true, before, after },
  namespaces: namespaces.map((pattern) => ({ pattern, example: pattern })),
  ...{ refused: null, admitted: null, pending: null, usable: null, elsewhere: null },
});

it('counts the rules that lose, gain and keep a region', () => {
  const effects = [
    effect(rule('eu-west-1', 'eu-central-1'), rule('eu-west-1', 'us-east-1'), ['finance', 'hr']),
    effect(null, rule('eu-central-1')),
    effect(rule('us-east-1'), null),
  ];
  expect(planRegions({ effects })).toEqual([
    { region: 'eu-central-1', gains: 0, loses: 2, keeps: 1 },
    { region: 'us-east-1', gains: 2, loses: 0, keeps: 1 },
    { region: 'eu-west-1', gains: 0, loses: 0, keeps: 2 },
  ]);
  expect(allowedAfter({ effects })).toEqual(new Set(['eu-west-1', 'us-east-1', 'eu-central-1']));
});

it('finds the places of regions, with the clusters of the plan', () => {
  const effects = [effect(rule('eu-west-1', 'moon-1'), rule('aws/eu-west-1'))];
  const aws = regionView('eu-west-1', { provider: 'aws', clusters: ['eu', 'other'] });
  const alibaba = regionView('eu-west-1', { provider: 'alibaba', clusters: [] });
  expect(planRegionViews({ effects }, [aws, alibaba]).map(({ region, provider, clusters }) => [region, provider, clusters])).toEqual([
    ['eu-west-1', 'aws', ['eu']],
    ['eu-west-1', 'alibaba', []],
    ['moon-1', null, []],
  ]);
});
