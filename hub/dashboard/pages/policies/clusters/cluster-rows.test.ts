import { expect, it } from 'vitest';
import { enforcement, inCluster } from '../testing/policy-reports.ts';
import { countRows, filterRows, sortRows, toClusterRows } from './cluster-rows.ts';

const ROWS = toClusterRows([
  inCluster('apac'),
  inCluster('eu', { phase: 'Failed', enforcement: enforcement('Degraded', 'Enforced'), violations: 3 }),
  inCluster('gone', {}, false),
  { cluster: 'new', fresh: true, report: null, changed: null },
  inCluster('us', { enforcement: enforcement('Enforced', 'Unavailable'), namespaces: ['finance', 'finance-2'] }),
]);

const names = (rows: readonly { readonly cluster: string }[]): string[] => rows.map(({ cluster }) => cluster);

it('counts a cluster that is not connected as pending at best', () => {
  expect(ROWS.map(({ phase, known }) => [phase, known])).toEqual([
    ['Active', 'now'],
    ['Failed', 'now'],
    ['Pending', 'last'],
    ['Pending', 'never'],
    ['Active', 'now'],
  ]);
  expect(toClusterRows([inCluster('gone', { phase: 'Failed' }, false)])[0]?.phase).toBe('Failed');
  const missing = { type: 'Ready', status: 'False', reason: 'NamespaceMissing', message: '', lastTransitionTime: '' } as const;
  const awaiting = inCluster('eu', { phase: 'Failed', managedBy: 'local', conditions: [missing] });
  expect(toClusterRows([awaiting])[0]?.phase).toBe('Pending');
});

it('counts as enforced only what is known now', () => {
  expect(names(filterRows(ROWS, { locks: 'enforced' }))).toEqual(['apac']);
  expect(names(filterRows(ROWS, { locks: 'other' }))).toEqual(['eu', 'gone', 'new', 'us']);
});

it('filters by name, phase, knowledge and state of a lock', () => {
  expect(names(filterRows(ROWS, { q: 'A' }))).toEqual(['apac']);
  expect(names(filterRows(ROWS, { phase: 'Pending' }))).toEqual(['gone', 'new']);
  expect(names(filterRows(ROWS, { known: 'last' }))).toEqual(['gone']);
  expect(names(filterRows(ROWS, { locks: 'Unavailable' }))).toEqual(['us']);
  expect(names(filterRows(ROWS, {}))).toHaveLength(5);
});

it('sorts what needs a look first, and by name within that', () => {
  expect(names(sortRows(ROWS, 'phase'))).toEqual(['eu', 'gone', 'new', 'apac', 'us']);
  expect(names(sortRows(ROWS, '-cluster'))).toEqual(['us', 'new', 'gone', 'eu', 'apac']);
  expect(names(sortRows(ROWS, 'gatekeeper'))).toEqual(['new', 'us', 'apac', 'eu', 'gone']);
  expect(names(sortRows(ROWS, '-violations'))[0]).toBe('eu');
  expect(names(sortRows(ROWS, '-namespaces'))[0]).toBe('us');
});

it('adds up phases, knowledge and locks', () => {
  expect(countRows(ROWS)).toEqual({
    phases: { Active: 2, Failed: 1, Pending: 2, Expired: 0 },
    known: { now: 3, last: 1, never: 1 },
    locks: {
      admission: { Enforced: 3, Degraded: 1 },
      binding: { Enforced: 3, Degraded: 1 },
      gatekeeper: { Enforced: 3, Unavailable: 1 },
    },
  });
});
