import { CONDITIONS, type Condition } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { ClusterRecord } from '../../ledger/index.ts';
import { clusterRecord, clusterReport, desiredOf, OLD_REVISION, REVISION, TIME } from '../testing/fleet.ts';
import { ClusterQuery, matchesCluster } from './cluster-lists.ts';
import { FleetIndex } from './fleet-index.ts';

const condition = (type: string, status: Condition['status']): Condition => ({
  type,
  status,
  reason: 'Test',
  message: '',
  lastTransitionTime: TIME,
});

/** Builds a cluster that is behind the desired revision. */
const cluster = (name: string, change: Partial<ClusterRecord> = {}): ClusterRecord =>
  clusterRecord(name, [], { acked: { revision: OLD_REVISION, digest: 'd' }, ...change });

const withConditions = (...conditions: Condition[]): Partial<ClusterRecord> => ({ report: { ...clusterReport(), conditions } });
const nackOf = (revision: string) => ({ revision, time: TIME, reasons: [] });

const namesOf = (clusters: readonly ClusterRecord[], query: Readonly<Record<string, string>>): string[] =>
  new FleetIndex()
    .update({ desired: desiredOf(), clusters })
    .clusters()
    .filter((entry) => matchesCluster(entry, ClusterQuery.parse(query)))
    .flatMap(({ record, registration }) => (registration === undefined ? [record.name] : []));

describe('clusters', () => {
  const clusters = [
    cluster('bare', { report: { ...clusterReport(), gatekeeper: { state: 'Absent' } } }),
    cluster('good', withConditions(condition(CONDITIONS.floorReady, 'True'), condition(CONDITIONS.tampered, 'False'))),
    cluster('open', withConditions(condition(CONDITIONS.floorReady, 'False'))),
    cluster('silent', { report: null }),
    cluster('unguarded', withConditions(condition(CONDITIONS.guardReady, 'Unknown'))),
  ];

  it('are filtered by their locks; a cluster without a report matches neither value', () => {
    expect(namesOf(clusters, { locksReady: 'true' })).toEqual(['good']);
    expect(namesOf(clusters, { locksReady: 'false' })).toEqual(['bare', 'open', 'unguarded']);
    expect(namesOf(clusters, {})).toHaveLength(5);
  });

  it('are refusing only while they reject their last offer', () => {
    const some = [
      cluster('before', { nack: nackOf(OLD_REVISION) }),
      cluster('refusing', { nack: nackOf(REVISION) }),
      cluster('took', { nack: nackOf(REVISION), acked: { revision: REVISION, digest: 'd' } }),
    ];
    expect(namesOf(some, { refusing: 'true' })).toEqual(['refusing']);
    expect(namesOf(some, { refusing: 'false' })).toEqual(['before', 'took']);
  });
});
