import { expect, it } from 'vitest';
import { condition, inCluster, TIME } from '../testing/policy-reports.ts';
import { groupConditions } from './conditions.ts';

const LATER = '2026-01-04T10:30:00.000Z';

it('combines equal conditions of several clusters, the most urgent first', () => {
  const groups = groupConditions([
    inCluster('eu', { conditions: [condition('Ready', 'True'), condition('Conflict', 'False')] }),
    inCluster('us', { conditions: [condition('Ready', 'True', { message: 'other', lastTransitionTime: LATER })] }, false),
    inCluster('apac', { conditions: [condition('Ready', 'Unknown'), condition('Expiring', 'True')] }),
    { cluster: 'new', fresh: true, report: null, changed: null },
  ]);
  expect(groups.map(({ type, status, health }) => [type, status, health])).toEqual([
    ['Expiring', 'True', 'bad'],
    ['Ready', 'Unknown', 'unknown'],
    ['Conflict', 'False', 'good'],
    ['Ready', 'True', 'good'],
  ]);
  expect(groups.at(-1)).toMatchObject({ clusters: ['eu', 'us'], stale: 1, since: LATER, messagesDiffer: true, message: 'message' });
  expect(groups[0]).toMatchObject({ clusters: ['apac'], since: TIME, messagesDiffer: false });
});
