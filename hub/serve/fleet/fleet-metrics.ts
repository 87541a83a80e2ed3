import { type ClusterView, CONDITIONS, EnforcementAction, type RiskCounts, type SourceView, type StatusView } from '@fso/shared/api';
import { Gauge, type Registry } from 'prom-client';
import { type Journal, type Lease, namedIn } from '../../ledger/index.ts';
import {
  actionIn,
  addRisks,
  areDenialsUnknown,
  areRisksUnknown,
  type ClusterEntry,
  connectionOf,
  isProven,
  isRefusing,
  NO_RISKS,
} from './cluster-entry.ts';
import { countedIn } from './findings/denial-lists.ts';
import type { FleetReader } from './fleet-reader.ts';
import { isKnown } from './phases.ts';

const PHASES = ['active', 'failed', 'pending', 'expired'] as const;
const CLUSTER_STATES = ['proven', 'pending', 'refusing', 'not_observed', 'unregistered', 'disconnected', 'never_seen'] as const;
type ClusterState = (typeof CLUSTER_STATES)[number];
/** Parts of the locks that can be missing in a cluster. */
const LOCKS = ['floor', 'guard', 'gatekeeper'] as const;
type Lock = (typeof LOCKS)[number];

/**
 * Creates the gauges of the fleet. A scrape reads the ledger once, so all values are from the same
 * moment.
 */
export const createFleetGauges = (registry: Registry, refresh: () => Promise<void>) => {
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers: [registry], collect: refresh });
  return {
    info: gauge('fso_hub_build_info', '1, with the version of the hub.', ['version']),
    clusters: gauge(
      'fso_hub_clusters',
      'Clusters by state: proven (connected, and every policy of the revision in force is proven), pending (connected, and not all are), refusing (connected, and its agent refuses the revision), not_observed (connected, and its agent does not know how it is now), unregistered (connected, but in no registration), disconnected (what the hub knows is stale), never_seen.',
      ['state'],
    ),
    tampered: gauge('fso_hub_tampered_clusters', 'Clusters in which enforcing objects were changed within an hour.', []),
    disputed: gauge('fso_hub_clusters_with_disputed_nodes', 'Clusters in which nodes contradict themselves, as last reported.', []),
    unready: gauge('fso_hub_unready_locks', 'Clusters whose lock is not ready, as last reported.', ['lock']),
    policies: gauge(
      'fso_hub_policies',
      'Policies by the worst phase of their clusters; a cluster that is not connected or not observed counts as pending.',
      ['phase'],
    ),
    expiring: gauge('fso_hub_expiring_policies', 'Policies that expire within 14 days.', []),
    violations: gauge('fso_hub_violations', 'Violations that clusters last reported, by the action of their policy.', [
      'enforcement_action',
    ]),
    risks: gauge(
      'fso_hub_risks',
      'Owners whose next pods would be refused by the locks (Refused), or would stay pending as no node inside fits (Pending), as clusters last reported.',
      ['risk'],
    ),
    risksUnknown: gauge(
      'fso_hub_clusters_with_unknown_risks',
      'Clusters that are away, not observed, or do not judge the next pods of all owners.',
      [],
    ),
    denials: gauge('fso_hub_denials', 'Pods that lock 1 refused within the last hour, in the clusters in which that is known.', []),
    denialsUnknown: gauge(
      'fso_hub_clusters_with_unknown_denials',
      'Clusters that are away, not observed, or do not count all pods that lock 1 refuses.',
      [],
    ),
    agentCertificate: gauge(
      'fso_hub_agent_certificate_expiry_timestamp_seconds',
      'Soonest expiry among the certificates of connected agents; absent: none has one.',
      [],
    ),
    ledgerWritable: gauge('fso_hub_ledger_writable', "1: the ledger's database can be written.", []),
    ledgerBehind: gauge(
      'fso_hub_ledger_behind_seconds',
      'Time since this hub last knew all that other hubs had written; 0: it is alone.',
      [],
    ),
    leader: gauge('fso_hub_leader', '1: this hub does what one of several does.', []),
    lastFetch: gauge(
      'fso_hub_last_fetch_timestamp_seconds',
      'Last successful fetch of the repository, by the hub that leads; 0: there was none.',
      [],
    ),
    rejected: gauge('fso_hub_commit_rejected', '1: the newest commit is rejected; the one before it is in force.', []),
  };
};

type FleetGauges = ReturnType<typeof createFleetGauges>;

const STATE_BY_CONNECTION: Readonly<Record<Exclude<ClusterView['connection'], 'Connected'>, ClusterState>> = {
  Disconnected: 'disconnected',
  NeverSeen: 'never_seen',
};

const stateOf = (entry: ClusterEntry): ClusterState => {
  const connection = connectionOf(entry.record);
  if (connection !== 'Connected') return STATE_BY_CONNECTION[connection];
  // Registrations are unknown until the repository has been read.
  if (entry.registration === undefined && entry.desired !== null) return 'unregistered';
  if (isRefusing(entry)) return 'refusing';
  if (entry.record.notObserved !== null) return 'not_observed';
  return isProven(entry) ? 'proven' : 'pending';
};

const CONDITION_BY_LOCK = [
  ['floor', CONDITIONS.floorReady],
  ['guard', CONDITIONS.guardReady],
] as const;

/**
 * Locks that a cluster last reported as not ready. None for a cluster with unknown state, which
 * another metric counts.
 */
const unreadyLocks = ({ record }: ClusterEntry): readonly Lock[] => {
  const { report } = record;
  if (report === null || !isKnown(record)) return [];
  const open = CONDITION_BY_LOCK.filter(([, condition]) =>
    report.conditions.some(({ type, status }) => type === condition && status !== 'True'),
  );
  return [...open.map(([lock]) => lock), ...(report.gatekeeper.state === 'Ready' ? [] : ['gatekeeper' as const])];
};

const hasDisputedNodes = ({ record }: ClusterEntry): boolean =>
  isKnown(record) && record.report?.conditions.some(({ type, status }) => type === CONDITIONS.nodesDisputed && status === 'True') === true;

const countBy = <K extends string>(keys: readonly K[], found: Iterable<K>): ReadonlyMap<K, number> => {
  const counts = new Map<K, number>(keys.map((key) => [key, 0]));
  for (const key of found) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

const sumRisks = (members: readonly ClusterEntry[]): RiskCounts => members.reduce((sum, { risks }) => addRisks(sum, risks), NO_RISKS);

/** Sums violations by action. Reads only clusters that have violations. */
const violationsByAction = (members: readonly ClusterEntry[]): ReadonlyMap<EnforcementAction, number> => {
  const sums = new Map<EnforcementAction, number>(EnforcementAction.options.map((action) => [action, 0]));
  for (const { violations, record, meant } of members) {
    const named = violations === 0 ? [] : [...namedIn(record.policies)].filter(([, each]) => each.violations > 0);
    for (const [key, each] of named) {
      const report = record.policies.get(key);
      if (report === undefined) continue;
      const action = actionIn(meant, key, report);
      sums.set(action, (sums.get(action) ?? 0) + each.violations);
    }
  }
  return sums;
};

const setClusters = (gauges: FleetGauges, members: readonly ClusterEntry[]): void => {
  for (const [state, count] of countBy(CLUSTER_STATES, members.map(stateOf))) gauges.clusters.set({ state }, count);
  for (const [lock, count] of countBy(LOCKS, members.flatMap(unreadyLocks))) gauges.unready.set({ lock }, count);
  gauges.disputed.set(members.filter(hasDisputedNodes).length);
  const { refused, pending } = sumRisks(members);
  gauges.risks.set({ risk: 'Refused' }, refused);
  gauges.risks.set({ risk: 'Pending' }, pending);
  gauges.risksUnknown.set(members.filter(areRisksUnknown).length);
  gauges.denials.set(members.reduce((sum, entry) => sum + (countedIn(entry)?.pods ?? 0), 0));
  gauges.denialsUnknown.set(members.filter(areDenialsUnknown).length);
  for (const [action, sum] of violationsByAction(members)) gauges.violations.set({ enforcement_action: action }, sum);
  const expiries = members.flatMap(({ record: { connected, report } }) =>
    connected && report?.certificateExpires ? [Date.parse(report.certificateExpires)] : [],
  );
  gauges.agentCertificate.remove();
  if (expiries.length > 0) gauges.agentCertificate.set(expiries.reduce((soonest, next) => Math.min(soonest, next)) / 1000);
};

const setStatus = (gauges: FleetGauges, { version, clusters, policies }: StatusView): void => {
  gauges.info.set({ version }, 1);
  gauges.tampered.set(clusters.tampered);
  for (const phase of PHASES) gauges.policies.set({ phase }, policies[phase]);
  gauges.expiring.set(policies.expiring);
};

const setSource = (gauges: FleetGauges, { lastFetch, rejected }: SourceView): void => {
  gauges.lastFetch.set(lastFetch === null ? 0 : Date.parse(lastFetch) / 1000);
  gauges.rejected.set(rejected === null ? 0 : 1);
};

/** Sources of the fleet metrics, and their registry. */
export interface FleetMetricsDeps {
  readonly fleet: FleetReader;
  readonly ledger: Pick<Journal, 'health'> & Pick<Lease, 'leads' | 'behindMs'>;
  readonly registry: Registry;
}

/** Registers the gauges of the fleet. Call once per registry. Each scrape reads the ledger once. */
export const registerFleetMetrics = ({ fleet, ledger, registry }: FleetMetricsDeps): void => {
  let running: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    running ??= update().finally(() => {
      running = undefined;
    });
    return running;
  };
  const gauges = createFleetGauges(registry, refresh);
  const update = async (): Promise<void> => {
    const status = await fleet.readStatus();
    setStatus(gauges, status);
    setSource(gauges, status.source);
    setClusters(gauges, (await fleet.read()).members());
    gauges.ledgerWritable.set(ledger.health().ok ? 1 : 0);
    gauges.ledgerBehind.set(ledger.behindMs() / 1000);
    gauges.leader.set(ledger.leads() ? 1 : 0);
  };
};
