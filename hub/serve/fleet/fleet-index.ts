import { isDeepStrictEqual } from 'node:util';
import type { ManagedClusterDocument } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { NamedPolicy } from '@fso/shared/status';
import type { Visibility } from '../../access/index.ts';
import { type ClusterRecord, countViolations, type Desired, keysBetween, namedIn } from '../../ledger/index.ts';
import {
  areRisksFresh,
  type ClusterEntry,
  countRisks,
  factsOf,
  type NamedRisk,
  type NamedViolation,
  NO_RISKS,
  namedRisks,
  namedViolations,
} from './cluster-entry.ts';
import { isKnown, noPhases, type PhaseCounts } from './phases.ts';
import type { PolicyEntry } from './policy-entry.ts';
import { PolicyTable } from './policy-table.ts';

/**
 * Read model of the API: policies over clusters and clusters over policies, updated incrementally.
 * Records and desired states are immutable, so changes are detected by identity. The cost of a
 * report is proportional to the policies that it names or changes, and an unchanged fleet costs one
 * comparison per cluster. Reads no clock and does no I/O.
 */

/** Input of an update of the index. */
export interface FleetInput {
  readonly desired: Desired | null;
  readonly clusters: readonly ClusterRecord[];
  /** Visible part of the fleet; undefined: the whole fleet. */
  readonly visibility?: Pick<Visibility, 'seesEverywhere'> | undefined;
}

/** Index of policies and clusters as of its last update. All routes read it. */
export type Fleet = Omit<FleetIndex, 'update' | 'steps'>;

/** Entry of a cluster before its policies and findings are counted. */
type ClusterBasis = Omit<ClusterEntry, 'phases' | 'violations' | 'named' | 'risks' | 'namedRisks' | 'counted'>;

const NO_POLICIES: readonly CompiledPolicy[] = [];

/**
 * Whether two records have the same policies. The ledger creates a new, empty record of an unseen
 * cluster each time.
 */
const samePolicies = (a: ClusterRecord, b: ClusterRecord): boolean =>
  a.policies === b.policies || (a.policies.size === 0 && b.policies.size === 0);

/** Whether the same policies are counted for two states of a cluster. */
const isAlike = (a: Pick<ClusterEntry, 'record' | 'retired'>, b: Pick<ClusterEntry, 'record' | 'retired'>): boolean =>
  a.retired === b.retired && samePolicies(a.record, b.record);

/** Two states of a cluster, and the policies whose reports differ between them. */
interface Moments {
  readonly before: ClusterRecord;
  readonly now: ClusterRecord;
  readonly keys: readonly string[];
}

/** Whether any of the policies is reported by name, and as the predicate says. */
const hasAny = (policies: ClusterRecord['policies'], keys: readonly string[], isSo: (named: NamedPolicy) => boolean): boolean => {
  const named = namedIn(policies);
  const isNamedSo = (key: string): boolean => {
    const policy = named.get(key);
    return policy !== undefined && isSo(policy);
  };
  return named.size > 0 && keys.some(isNamedSo);
};

/** Whether the violations of a cluster, or fields shown with them, differ between two states. */
const hasOtherViolations = ({ before, now, keys }: Moments): boolean => {
  if (!isDeepStrictEqual(before.report?.violationSamples, now.report?.violationSamples)) return true;
  return [before, now].some(({ policies }) => hasAny(policies, keys, ({ violations }) => violations > 0));
};

/** Whether the owners at risk of a cluster differ between two states. */
const hasOtherRisks = ({ before, now, keys }: Moments): boolean => {
  if (areRisksFresh(before) !== areRisksFresh(now) || !isDeepStrictEqual(before.report?.riskSamples, now.report?.riskSamples)) return true;
  return [before, now].some(({ policies }) => hasAny(policies, keys, ({ risks }) => risks !== undefined));
};

type Findings = Pick<ClusterEntry, 'violations' | 'named' | 'risks' | 'namedRisks'>;

const registrationsOf = (desired: Desired | null): Map<string, ManagedClusterDocument> =>
  new Map(desired?.set.clusters.map(({ document }) => [document.metadata.name, document]));

/** Index of policies and clusters. An update changes only the entries whose input changed. */
export class FleetIndex {
  readonly #policies = new PolicyTable();
  readonly #clusters = new Map<string, ClusterEntry>();
  #desired: Desired | null = null;
  #registrations = registrationsOf(null);
  #visibility: FleetInput['visibility'];
  // Lists for readers: computed on demand, and reset by a change.
  #sorted: readonly ClusterEntry[] | undefined;
  #members: readonly ClusterEntry[] | undefined;
  #violations: readonly NamedViolation[] | undefined;
  #risks: readonly NamedRisk[] | undefined;

  /** Updates the index at once. @returns the fleet; read it before the next update */
  update(input: FleetInput): Fleet {
    for (const _step of this.steps(input));
    return this;
  }

  /**
   * Updates the index in steps, each of at most the policies of one cluster. All steps must run
   * before the next update. In between, some clusters and policies are still in their old state.
   */
  *steps({ desired, clusters, visibility }: FleetInput): Generator<void, void> {
    this.#visibility = visibility;
    if (desired !== this.#desired) {
      this.#desired = desired;
      this.#registrations = registrationsOf(desired);
      this.#policies.describe(desired);
      yield;
    }
    for (const record of clusters) if (this.#isNew(record)) yield* this.#track(record);
    if (this.#clusters.size > clusters.length) yield* this.#forgetOthers(clusters);
    yield* this.#policies.settle();
  }

  desired(): Desired | null {
    return this.#desired;
  }

  /**
   * Whether all clusters are visible for a policy, so that the absence of a state is meaningful.
   */
  isWholeFor(policy: string): boolean {
    return this.#visibility?.seesEverywhere(policy) ?? true;
  }

  /** Policies sorted by key, each with every cluster that should have it or reports it. */
  policies(): readonly PolicyEntry[] {
    return this.#policies.list();
  }

  policy(key: string): PolicyEntry | undefined {
    return this.#policies.get(key);
  }

  /** Clusters sorted by name, including retired ones. */
  clusters(): readonly ClusterEntry[] {
    this.#sorted ??= [...this.#clusters.values()].sort((a, b) => byText(a.record.name, b.record.name));
    return this.#sorted;
  }

  /** Clusters that are counted: all except the retired ones. */
  members(): readonly ClusterEntry[] {
    this.#members ??= this.clusters().filter(({ retired }) => !retired);
    return this.#members;
  }

  cluster(name: string): ClusterEntry | undefined {
    return this.#clusters.get(name);
  }

  /** Violations sorted by cluster, then by policy, namespace, kind and name. */
  violations(): readonly NamedViolation[] {
    this.#violations ??= this.clusters().flatMap(({ named }) => named);
    return this.#violations;
  }

  /** Owners at risk sorted by cluster, then by policy, namespace, kind and name. */
  risks(): readonly NamedRisk[] {
    this.#risks ??= this.clusters().flatMap(({ namedRisks: named }) => named);
    return this.#risks;
  }

  /** Whether a cluster or its desired policies changed since the last update. */
  #isNew(record: ClusterRecord): boolean {
    const before = this.#clusters.get(record.name);
    return before?.record !== record || before.desired !== this.#desired;
  }

  *#track(record: ClusterRecord): Generator<void, void> {
    const before = this.#clusters.get(record.name);
    const desired = this.#desired;
    const registration = this.#registrations.get(record.name);
    const known: ClusterBasis = {
      record,
      desired,
      meant: desired?.clusters.get(record.name) ?? NO_POLICIES,
      registration,
      // Registrations are unknown until the repository has been read.
      retired: desired !== null && registration === undefined && !record.connected,
    };
    const keys = before === undefined ? [] : keysBetween(before.record.policies, record.policies);
    const phases = yield* this.#phasesOf(known, before, keys);
    // Set in the same step as the lists are reset: lists computed before use the old entry.
    this.#clusters.set(record.name, { ...known, phases, ...this.#findingsOf(known, before, keys), counted: factsOf(known) });
    this.#dropLists();
    yield;
  }

  *#forgetOthers(records: readonly ClusterRecord[]): Generator<void, void> {
    const names = new Set(records.map(({ name }) => name));
    for (const name of this.#clusters.keys()) {
      if (names.has(name)) continue;
      yield* this.#policies.remove(name);
      this.#clusters.delete(name);
      this.#dropLists();
      this.#violations = undefined;
      this.#risks = undefined;
    }
  }

  #dropLists(): void {
    this.#sorted = undefined;
    this.#members = undefined;
  }

  *#phasesOf(
    { record, meant, retired }: ClusterBasis,
    before: ClusterEntry | undefined,
    keys: Moments['keys'],
  ): Generator<void, Readonly<PhaseCounts>> {
    if (before?.meant === meant && isKnown(before.record) === isKnown(record) && isAlike(before, { record, retired })) {
      this.#policies.renew(record);
      return before.phases;
    }
    if (!retired) return yield* this.#policies.place(record, meant, keys);
    yield* this.#policies.remove(record.name);
    return noPhases();
  }

  #findingsOf(basis: ClusterBasis, before: ClusterEntry | undefined, keys: Moments['keys']): Findings {
    if (before === undefined || before.retired !== basis.retired) return { ...this.#violationsOf(basis), ...this.#risksOf(basis) };
    const moments = { before: before.record, now: basis.record, keys };
    const { violations, named } = hasOtherViolations(moments) ? this.#violationsOf(basis) : before;
    const { risks, namedRisks: atRisk } = hasOtherRisks(moments) ? this.#risksOf(basis) : before;
    return { violations, named, risks, namedRisks: atRisk };
  }

  #violationsOf({ record, meant, retired }: ClusterBasis): Pick<Findings, 'violations' | 'named'> {
    this.#violations = undefined;
    return retired
      ? { violations: 0, named: [] }
      : { violations: countViolations(record.policies), named: namedViolations({ record, meant }) };
  }

  #risksOf({ record, retired }: ClusterBasis): Pick<Findings, 'risks' | 'namedRisks'> {
    this.#risks = undefined;
    return retired ? { risks: NO_RISKS, namedRisks: [] } : { risks: countRisks(record), namedRisks: namedRisks(record) };
  }
}
