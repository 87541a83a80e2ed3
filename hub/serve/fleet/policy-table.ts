import type { PolicyInCluster } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { ClusterRecord, Desired } from '../../ledger/index.ts';
import { countPhase, effectivePhase, noPhases, type PhaseCounts } from './phases.ts';
import { createPolicyEntry, type MutablePolicyEntry, type PolicyEntry } from './policy-entry.ts';
import { headsFromGit, type PolicyHead } from './policy-head.ts';

type Placed = ReadonlySet<MutablePolicyEntry>;

/** What one cluster has of the policies. */
export interface Placement {
  /** Policies that have a row of it. */
  readonly placed: Placed;
  readonly phases: Readonly<PhaseCounts>;
}

/** Every policy with a row for each of its clusters. */
export interface PolicyTable {
  /** Takes what Git says of policies. */
  describe(desired: Desired | null): void;
  /**
   * Takes what a cluster is meant to have and what it reports: local policies, and hub-managed ones not yet gone.
   *
   * @param before policies that have a row of it until now
   */
  place(record: ClusterRecord, meant: readonly CompiledPolicy[], before: Placed): Placement;
  remove(cluster: string, placed: Placed): void;
  /** By key. */
  list(): readonly PolicyEntry[];
  get(key: string): PolicyEntry | undefined;
}

/** The row of a cluster as it must be now: the one that is there, if it is. */
const rowOf = (entry: MutablePolicyEntry, { name, connected, policies, policiesChanged }: ClusterRecord): PolicyInCluster => {
  const report = policies.get(entry.key) ?? null;
  const known = entry.rows.get(name);
  if (known?.fresh === connected && known.report === report) return known;
  const since = known?.report === report ? known.changed : policiesChanged;
  const row = { cluster: name, fresh: connected, report, changed: report === null ? null : (report.lastUpdated ?? since) };
  entry.set(name, row);
  return row;
};

export const createPolicyTable = (): PolicyTable => {
  const entries = new Map<string, MutablePolicyEntry>();
  let meantEntries = new Map<CompiledPolicy, MutablePolicyEntry>();
  let sorted: readonly MutablePolicyEntry[] | undefined;

  const entryOf = (key: string): MutablePolicyEntry => {
    const known = entries.get(key);
    if (known) return known;
    const entry = createPolicyEntry(key);
    entries.set(key, entry);
    sorted = undefined;
    return entry;
  };
  /** A compiled policy is one object for all of its clusters; an entry of Git stays until Git is described again. */
  const entryOfMeant = (policy: CompiledPolicy): MutablePolicyEntry => {
    const known = meantEntries.get(policy);
    if (known) return known;
    const entry = entryOf(policy.name);
    if (entry.isInGit()) meantEntries.set(policy, entry);
    return entry;
  };
  const dropIfEmpty = (entry: MutablePolicyEntry): void => {
    if (entry.isInGit() || entry.rows.size > 0) return;
    entries.delete(entry.key);
    sorted = undefined;
  };
  const placementOf = (record: ClusterRecord, placed: Placed): Placement => {
    const phases = noPhases();
    for (const entry of placed) {
      countPhase(phases, effectivePhase(rowOf(entry, record)));
    }
    return { placed, phases };
  };
  const remove = (cluster: string, placed: Iterable<MutablePolicyEntry>): void => {
    for (const entry of placed) {
      entry.set(cluster, undefined);
      dropIfEmpty(entry);
    }
  };

  return {
    describe: (desired) => {
      const heads = desired ? headsFromGit(desired.set) : new Map<string, PolicyHead>();
      meantEntries = new Map();
      for (const key of heads.keys()) entryOf(key);
      for (const entry of entries.values()) {
        entry.describe(heads.get(entry.key));
        dropIfEmpty(entry);
      }
    },
    place: (record, meant, before) => {
      const placed = new Set(meant.map(entryOfMeant));
      for (const key of record.policies.keys()) placed.add(entryOf(key));
      remove(
        record.name,
        [...before].filter((entry) => !placed.has(entry)),
      );
      return placementOf(record, placed);
    },
    remove,
    list: () => {
      sorted ??= [...entries.values()].sort((a, b) => byText(a.key, b.key));
      return sorted.filter((entry) => entry.head() !== undefined);
    },
    get: (key) => {
      const entry = entries.get(key);
      return entry?.head() === undefined ? undefined : entry;
    },
  };
};
