import { CONDITIONS } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import type { ClusterRecord, Desired } from '../../ledger/index.ts';
import { clusterRecord, clusterReport, desiredOf, policyReport, REVISION, TIME } from '../testing/fleet.ts';
import { registerFleetMetrics } from './fleet-metrics.ts';
import { FleetReader } from './fleet-reader.ts';

/**
 * Scrapes the metrics of a fleet and returns a function that gets the values of one by its label.
 */
const scrape = async (clusters: readonly ClusterRecord[], desired: Desired | null = desiredOf()) => {
  const registry = new Registry();
  const clock = new FakeClock(new Date(TIME));
  const source = { url: 'http://git', ref: 'main', revision: null, rejected: null, error: null, lastFetch: TIME };
  const read = {
    desired: async () => desired,
    clusters: async () => clusters,
    source: async () => source,
    subscribe: () => () => undefined,
  };
  const fleet = new FleetReader({ ledger: read, clock, version: '1.2.3' });
  registerFleetMetrics({ fleet, ledger: { health: () => ({ ok: true }), leads: () => true, behindMs: () => 1500 }, registry });
  await registry.metrics();
  return async (name: string): Promise<Record<string, number>> => {
    const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {};
    return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(), value]));
  };
};

const eu = clusterRecord('eu', [policyReport('finance'), policyReport('hr')]);

it('a cluster has one state, and the states add up to all clusters', async () => {
  const nack = { revision: REVISION, reasons: [{ message: 'no' }], time: TIME };
  const gauge = await scrape([
    eu,
    clusterRecord('us', [], { offeredRevision: REVISION, acked: null, report: null, nack }),
    clusterRecord('stray', []),
  ]);
  const states = { proven: 1, pending: 0, refusing: 1, not_observed: 0, unregistered: 1, disconnected: 0, never_seen: 0 };
  expect(await gauge('fso_hub_clusters')).toEqual(states);
  const away = await scrape([
    { ...eu, connected: false },
    clusterRecord('us', [], { connected: false, lastSeen: null, acked: null, report: null }),
  ]);
  expect(await away('fso_hub_clusters')).toEqual({ ...states, proven: 0, refusing: 0, unregistered: 0, disconnected: 1, never_seen: 1 });
  const behind = await scrape([eu, clusterRecord('us', [], { report: clusterReport(REVISION, null) })]);
  expect(await behind('fso_hub_clusters')).toMatchObject({ proven: 1, pending: 1 });
  const dim = await scrape([{ ...eu, notObserved: { since: TIME, what: ['Pod'] } }]);
  expect(await dim('fso_hub_clusters')).toMatchObject({ proven: 0, not_observed: 1 });
  // Before the repository was read.
  expect(await (await scrape([eu], null))('fso_hub_clusters')).toMatchObject({ pending: 1, unregistered: 0 });
});

it('violations count by the action of their policy, locks by what clusters last reported', async () => {
  const report = {
    ...clusterReport(),
    gatekeeper: { state: 'Absent' as const },
    conditions: [
      { type: CONDITIONS.floorReady, status: 'True' as const, reason: 'Supported', message: '', lastTransitionTime: TIME },
      { type: CONDITIONS.guardReady, status: 'False' as const, reason: 'Missing', message: '', lastTransitionTime: TIME },
      { type: CONDITIONS.nodesDisputed, status: 'True' as const, reason: 'Disputed', message: '', lastTransitionTime: TIME },
    ],
  };
  const policies = [policyReport('finance', { violations: 3 }), policyReport('hr', { violations: 4, enforcementAction: 'dryrun' })];
  const gauge = await scrape([
    clusterRecord('eu', policies, { report }),
    clusterRecord('us', [policyReport('finance', { violations: 5 })]),
  ]);
  expect(await gauge('fso_hub_violations')).toEqual({ deny: 8, warn: 0, dryrun: 4, custom: 0 });
  expect(await gauge('fso_hub_unready_locks')).toEqual({ floor: 0, guard: 1, gatekeeper: 1 });
  expect(await gauge('fso_hub_clusters_with_disputed_nodes')).toEqual({ '': 1 });
});

it('shows when the first certificate of a connected agent expires, or no value', async () => {
  const withCertificate = (name: string, certificateExpires: string, connected = true) =>
    clusterRecord(name, [], { connected, report: { ...clusterReport(), certificateExpires } });
  const gauge = await scrape([
    withCertificate('eu', '2026-01-04T00:00:00Z'),
    withCertificate('us', '2026-01-03T00:00:00Z', false),
    withCertificate('stray', '2026-01-05T00:00:00Z'),
  ]);
  const name = 'fso_hub_agent_certificate_expiry_timestamp_seconds';
  expect(await gauge(name)).toEqual({ '': Date.parse('2026-01-04T00:00:00Z') / 1000 });
  expect(await (await scrape([eu]))(name)).toEqual({});
  expect([await gauge('fso_hub_ledger_behind_seconds'), await gauge('fso_hub_last_fetch_timestamp_seconds')]).toEqual([
    { '': 1.5 },
    { '': Date.parse(TIME) / 1000 },
  ]);
});
