import type { ClusterView, SourceView } from '@fso/shared/api';
import { Gauge, type Registry } from 'prom-client';
import type { Ledger } from '../../ledger/index.ts';
import type { FleetReader } from './fleet-reader.ts';

const CLUSTER_STATES = ['connected', 'inSync', 'proven', 'tampered'] as const;
const POLICY_STATES = ['active', 'failed', 'pending', 'expired'] as const;

const isGood = ({ error, rejected, revision }: SourceView): boolean => error === null && rejected === null && revision !== null;

/** Gauges that are set by one refresh: a scrape reads the ledger once, and every number is of the same moment. */
export const createFleetGauges = (registry: Registry, refresh: () => Promise<void>) => {
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers: [registry], collect: refresh });
  return {
    info: gauge('fso_hub_info', 'Version of the hub.', ['version']),
    clusters: gauge(
      'fso_clusters',
      'Clusters: total, connected, inSync (accepted the revision in force), proven (every policy of it enforced by the locks), tampered (enforcing objects were changed within an hour).',
      ['state'],
    ),
    policies: gauge('fso_policies', 'Policies by the worst phase of their clusters; an unreachable cluster counts as pending.', ['phase']),
    violations: gauge('fso_cluster_violations', 'Violations that a cluster last reported.', ['cluster']),
    inSync: gauge('fso_cluster_in_sync', '1: connected and at the revision in force.', ['cluster']),
    ledgerOk: gauge('fso_hub_ledger_ok', "1: the ledger's database can be written.", []),
    leads: gauge('fso_hub_leads', '1: this hub does what one of several does.', []),
    sourceOk: gauge('fso_source_ok', '1: the repository is readable and its newest commit is in force.', []),
  };
};

export interface FleetMetricsDeps {
  readonly fleet: FleetReader;
  readonly ledger: Pick<Ledger, 'health' | 'leads'>;
  readonly registry: Registry;
}

/** Registers gauges of the fleet, so once per registry; each scrape reads the ledger once. */
export const registerFleetMetrics = ({ fleet, ledger, registry }: FleetMetricsDeps): void => {
  let running: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    running ??= update().finally(() => {
      running = undefined;
    });
    return running;
  };
  const gauges = createFleetGauges(registry, refresh);
  const setClusters = (views: readonly ClusterView[]): void => {
    gauges.violations.reset();
    gauges.inSync.reset();
    for (const view of views) {
      gauges.violations.set({ cluster: view.name }, view.violations);
      gauges.inSync.set({ cluster: view.name }, view.inSync ? 1 : 0);
    }
  };
  const update = async (): Promise<void> => {
    const status = await fleet.readStatus();
    gauges.info.set({ version: status.version }, 1);
    gauges.clusters.set({ state: 'total' }, status.clusters.total);
    for (const state of CLUSTER_STATES) gauges.clusters.set({ state }, status.clusters[state]);
    for (const phase of POLICY_STATES) gauges.policies.set({ phase }, status.policies[phase]);
    setClusters((await fleet.read()).members().map(({ view }) => view));
    gauges.ledgerOk.set(ledger.health().ok ? 1 : 0);
    gauges.leads.set(ledger.leads() ? 1 : 0);
    gauges.sourceOk.set(isGood(status.source) ? 1 : 0);
  };
};
