import type { ManagedClusterDocument } from '@fso/shared/api';
import { byText, type CompiledPolicy } from '@fso/shared/compile';
import type { ClusterRecord, Desired } from '../../ledger/types.ts';
import { type ClusterEntry, countViolations, type NamedViolation, namedViolations, viewOf } from './cluster-entry.ts';
import type { PolicyEntry } from './policy-entry.ts';
import { createPolicyTable, type Placement } from './policy-table.ts';

/**
 * The read model of the API: policies over their clusters and clusters over their policies, kept up to date by what
 * changed. Records of the ledger and the desired state are replaced and never changed, so that identity tells what is new:
 * one report costs as much as one cluster has policies, and an unchanged fleet costs one look at each cluster.
 * It reads no clock and does no I/O.
 */

export interface Knowledge {
  readonly desired: Desired | null;
  readonly clusters: readonly ClusterRecord[];
}

/** The fleet as of the last update. */
export interface Fleet {
  desired(): Desired | null;
  /** By `namespace/name`, each with every cluster that is meant to have it or reports it. */
  policies(): readonly PolicyEntry[];
  policy(key: string): PolicyEntry | undefined;
  /** By name. */
  clusters(): readonly ClusterEntry[];
  cluster(name: string): ClusterEntry | undefined;
  /** By cluster, and within it by policy, namespace, kind and name. */
  violations(): readonly NamedViolation[];
}

export interface FleetIndex {
  /** @returns the fleet as it is now: to be read before the next update */
  update(knowledge: Knowledge): Fleet;
}

type TrackedCluster = ClusterEntry & Placement;

const NOTHING_MEANT: readonly CompiledPolicy[] = [];
const NOTHING_PLACED: Placement['placed'] = new Set();

/** An unseen cluster is given a new, empty record each time. */
const samePolicies = (a: ClusterRecord, b: ClusterRecord): boolean =>
  a.policies === b.policies || (a.policies.size === 0 && b.policies.size === 0);

const registrationsOf = (desired: Desired | null): Map<string, ManagedClusterDocument> =>
  new Map(desired?.set.clusters.map(({ document }) => [document.metadata.name, document]));

export const createFleetIndex = (): FleetIndex => {
  const policies = createPolicyTable();
  const clusters = new Map<string, TrackedCluster>();
  let desired: Desired | null = null;
  let registrations = registrationsOf(null);
  // Put together when asked for, and anew after a change.
  let sorted: readonly TrackedCluster[] | undefined;
  let violations: readonly NamedViolation[] | undefined;

  const placementOf = (record: ClusterRecord, meant: readonly CompiledPolicy[], before: TrackedCluster | undefined): Placement =>
    before?.meant === meant && before.record.connected === record.connected && samePolicies(before.record, record)
      ? before
      : policies.place(record, meant, before?.placed ?? NOTHING_PLACED);
  const violationsOf = (record: ClusterRecord, before: TrackedCluster | undefined): Pick<ClusterEntry, 'violations' | 'named'> => {
    if (before && samePolicies(before.record, record)) return before;
    violations = undefined;
    return { violations: countViolations(record), named: namedViolations(record) };
  };
  const track = (record: ClusterRecord): void => {
    const before = clusters.get(record.name);
    if (before?.record === record && before.desired === desired) return;
    const meant = desired?.clusters.get(record.name) ?? NOTHING_MEANT;
    const { placed, phases } = placementOf(record, meant, before);
    const { violations: counted, named } = violationsOf(record, before);
    const facts = { record, desired, meant, registration: registrations.get(record.name), phases, violations: counted, named };
    clusters.set(record.name, { ...facts, placed, view: viewOf(facts) });
    sorted = undefined;
  };
  const forgetOthers = (records: readonly ClusterRecord[]): void => {
    const names = new Set(records.map(({ name }) => name));
    for (const [name, { placed }] of clusters) {
      if (names.has(name)) continue;
      policies.remove(name, placed);
      clusters.delete(name);
      sorted = undefined;
      violations = undefined;
    }
  };
  const listClusters = (): readonly TrackedCluster[] => {
    sorted ??= [...clusters.values()].sort((a, b) => byText(a.record.name, b.record.name));
    return sorted;
  };
  const fleet: Fleet = {
    desired: () => desired,
    policies: policies.list,
    policy: policies.get,
    clusters: listClusters,
    cluster: (name) => clusters.get(name),
    violations: () => {
      violations ??= listClusters().flatMap(({ named }) => named);
      return violations;
    },
  };
  return {
    update: (knowledge) => {
      if (knowledge.desired !== desired) {
        desired = knowledge.desired;
        registrations = registrationsOf(desired);
        policies.describe(desired);
      }
      for (const record of knowledge.clusters) track(record);
      if (clusters.size > knowledge.clusters.length) forgetOthers(knowledge.clusters);
      return fleet;
    },
  };
};
