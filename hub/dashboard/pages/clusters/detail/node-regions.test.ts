import { expect, it } from 'vitest';
import { nodeRegions, regionNote } from './node-regions.ts';

it('sets nodes beside the registration, those without a region first', () => {
  const rows = nodeRegions({ '': 2, 'us-east-1': 1, 'eu-west-1': 5, 'eu-west-2': 0 }, ['eu-west-1', 'eu-west-2', 'eu-north-1']);
  expect(rows.map((row) => [row.region, row.nodes, regionNote(row)])).toEqual([
    ['', 2, 'withoutRegion'],
    ['eu-west-1', 5, 'asRegistered'],
    ['us-east-1', 1, 'notRegistered'],
    ['eu-north-1', 0, 'noNodes'],
    ['eu-west-2', 0, 'noNodes'],
  ]);
});

it('omits nodes without a region where there are none', () => {
  expect(nodeRegions({ '': 0 }, [])).toEqual([]);
  expect(nodeRegions(undefined, ['eu-west-1'])).toEqual([{ region: 'eu-west-1', nodes: 0, isRegistered: true }]);
});
