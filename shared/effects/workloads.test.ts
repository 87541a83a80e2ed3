import { expect, it } from 'vitest';
import { type ClusterWorkloads, classesByTeam } from './workloads.ts';

const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const owner = (name: string, ...policies: string[]) => ({ kind: 'Deployment', namespace: 'finance', name, reason: '', fix: '', policies });
const cluster = (change: Partial<ClusterWorkloads>): ClusterWorkloads => ({
  ...{ cluster: 'eu', observedAt: '2026-06-01T00:00:00.000Z', lookedAt: null, coverage: 'Whole', omitted: 0 },
  ...{ outside: NONE, refused: NONE, pending: NONE },
  ...change,
});
const TEAMS = new Map([
  ['finance', 'red'],
  ['pci', 'blue'],
]);

it('counts the owners that are named by team, in each class', () => {
  const clusters = [
    cluster({ refused: { ...NONE, begins: 3, owners: [owner('api', 'finance', 'pci'), owner('web', 'finance'), owner('job', 'new')] } }),
    cluster({ cluster: 'us', refused: { ...NONE, begins: 9 }, pending: { ...NONE, begins: 1, owners: [owner('api', 'pci')] } }),
  ];
  expect(classesByTeam(clusters, (policy) => TEAMS.get(policy))).toEqual([
    { team: 'blue', outside: 0, refused: 1, pending: 1 },
    { team: 'red', outside: 0, refused: 2, pending: 0 },
    { team: null, outside: 0, refused: 1, pending: 0 },
  ]);
});

it('counts an owner once for a team with several policies behind it', () => {
  const clusters = [cluster({ outside: { ...NONE, begins: 1, owners: [owner('api', 'finance', 'pci')] } })];
  expect(classesByTeam(clusters, () => 'red')).toEqual([{ team: 'red', outside: 1, refused: 0, pending: 0 }]);
});
