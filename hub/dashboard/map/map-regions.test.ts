import { describe, expect, it } from 'vitest';
import { countStates, describeRegion, sortByPolicies, toMapRegions } from './map-regions.ts';
import { regionView as view } from './testing/region-view.ts';

describe('toMapRegions', () => {
  it('distinguishes violated, used and allowed regions, in this order', () => {
    const regions = toMapRegions([
      view('eu-west-3', { policies: 9 }),
      view('eu-west-1', { policies: 2, clusters: ['eu'] }),
      view('us-east-1', { nodes: 3 }),
      view('us-west-2', { nodes: 3, violations: 1 }),
      view('ap-south-1', { violations: 7 }),
    ]);
    expect(regions.map(({ region, state }) => [region, state])).toEqual([
      ['ap-south-1', 'violated'],
      ['us-west-2', 'violated'],
      ['us-east-1', 'inUse'],
      ['eu-west-1', 'inUse'],
      ['eu-west-3', 'allowed'],
    ]);
    expect(countStates(regions)).toEqual({ violated: 2, inUse: 2, allowed: 1 });
  });

  it('keeps regions that no cloud has', () => {
    expect(toMapRegions([view('basement-1', { nodes: 1 })])).toMatchObject([
      { region: 'basement-1', text: 'basement-1', state: 'inUse', spot: undefined },
    ]);
  });
});

it('keeps one name apart by what providers mean by it', () => {
  const london = { country: 'GB', place: 'London', coordinates: [51.51, -0.13] as [number, number], partition: 'alibaba', operator: null };
  const regions = toMapRegions([view('eu-west-1', { nodes: 2 }), view('eu-west-1', { provider: 'alibaba', place: london, nodes: 1 })]);
  expect(regions.map(({ text, spot }) => [text, spot?.city])).toEqual([
    ['Ireland (aws/eu-west-1)', 'IE Dublin'],
    ['United Kingdom (alibaba/eu-west-1)', 'GB London'],
  ]);
});

describe('describeRegion', () => {
  it('gives the place and all counts', () => {
    const [region] = toMapRegions([view('eu-west-1', { policies: 1, clusters: ['a', 'b'], nodes: 1200, violations: 1 })]);
    expect(region === undefined ? [] : describeRegion(region)).toEqual([
      'Ireland (aws/eu-west-1)',
      'Dublin',
      'Violated: 1 listed violation',
      'allowed by 1 policy',
      '2 clusters, 1,200 nodes',
    ]);
  });
});

const allowing = (region: string, policies: number) => view(region, { policies });

it('lists regions that policies allow, those of most policies first, then by name', () => {
  expect(sortByPolicies([allowing('c', 2), allowing('b', 2), allowing('a', 0), allowing('d', 5)]).map(({ region }) => region)).toEqual([
    'd',
    'b',
    'c',
  ]);
});
