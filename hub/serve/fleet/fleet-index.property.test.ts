import { type PolicyReport, policyKey } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClusterRecord, type Desired, PolicyLists } from '../../ledger/index.ts';
import { NameSets } from '../scope/name-sets.ts';
import { ScopeState } from '../scope/scope-state.ts';
import { clusterRecord, desiredOf, policyReport } from '../testing/fleet.ts';
import {
  type ClusterModel,
  MODEL_COMMITS,
  MODEL_NAMES,
  type ModelScope,
  modelChange,
  newCluster,
  plainPolicies,
  recordOf,
  seenPolicies,
} from '../testing/fleet-model.ts';
import { expectedFleet, shownFleet } from '../testing/fleet-oracle.ts';
import { FleetIndex, type FleetInput } from './fleet-index.ts';

const SCOPES: readonly ModelScope[] = [{ targets: ['a', 'team-*'] }, { clusters: ['eu'], targets: ['b'] }];

/** Hides the commit since which a policy reads the same: tests of the lists cover it. */
const withoutSince = (report: PolicyReport): PolicyReport => ({ ...report, revision: 'since' });
const comparable = <T extends ReturnType<typeof shownFleet>>(fleet: T): T => ({
  ...fleet,
  rows: fleet.rows.map((rows) => rows.map((row) => ({ ...row, report: row.report && withoutSince(row.report) }))),
});

const plainly = (record: ClusterRecord, policies: ReadonlyMap<string, PolicyReport>): ClusterRecord => ({ ...record, policies });

/** A reader of the fleet: an index that follows all changes. */
class Reader {
  readonly #index = new FleetIndex();

  /** @param plain the same input with plain maps */
  check(now: FleetInput, plain: FleetInput): void {
    const shown = comparable(shownFleet(this.#index.update(now)));
    expect(shown).toEqual(comparable(expectedFleet(plain)));
    expect(comparable(shownFleet(new FleetIndex().update(now)))).toEqual(shown);
  }
}

/** A reader who sees a part of the fleet. */
class ScopedReader {
  readonly #scope: ModelScope;
  readonly #reader = new Reader();
  readonly #names = new NameSets();
  #state: { readonly of: Desired | null; readonly value: ScopeState } | undefined;

  constructor(scope: ModelScope) {
    this.#scope = scope;
  }

  check(desired: Desired | null, known: Iterable<Known>): void {
    const state = this.#stateOf(desired);
    const seen = [...known].flatMap(({ model, record }) => {
      const scoped = state.record(record);
      return scoped === undefined ? [] : [{ scoped, plain: plainly(scoped, seenPolicies(model, this.#scope, desired)) }];
    });
    const now = { desired: state.desired, clusters: seen.map(({ scoped }) => scoped) };
    this.#reader.check(now, { ...now, clusters: seen.map(({ plain }) => plain) });
  }

  #stateOf(desired: Desired | null): ScopeState {
    if (this.#state?.of === desired) return this.#state.value;
    const { clusters, targets } = this.#scope;
    const grant = { role: 'viewer' as const, policies: { targetNamespaces: [...targets] } };
    const grants = [{ ...grant, ...(clusters && { clusters: { clusterNames: [...clusters] } }) }];
    const value = new ScopeState(grants, desired, this.#names);
    this.#state = { of: desired, value };
    return value;
  }
}

interface Known {
  readonly model: ClusterModel;
  readonly record: ClusterRecord;
}

type Change = Partial<ClusterModel> & Pick<ClusterModel, 'name'> & { readonly isRemoved?: boolean };

/** A fleet, and all who look at it. */
class Simulation {
  readonly #lists = new PolicyLists();
  readonly #known = new Map<string, Known>();
  readonly #whole = new Reader();
  readonly #scoped = SCOPES.map((scope) => new ScopedReader(scope));

  constructor() {
    for (const each of MODEL_COMMITS) this.#lists.takeCommit(each, () => undefined);
  }

  change({ isRemoved = false, ...change }: Change): void {
    const model = { ...(this.#known.get(change.name)?.model ?? newCluster(change.name)), ...change };
    if (isRemoved) this.#known.delete(change.name);
    else this.#known.set(change.name, { model, record: recordOf(model, this.#lists) });
  }

  check(desired: Desired | null): void {
    const known = [...this.#known.values()];
    this.#whole.check(
      { desired, clusters: known.map(({ record }) => record) },
      { desired, clusters: known.map(({ model, record }) => plainly(record, plainPolicies(model))) },
    );
    for (const reader of this.#scoped) reader.check(desired, known);
  }
}

const removal = fc.constantFrom(...MODEL_NAMES).map((name) => ({ name, isRemoved: true }));
const commit = fc.constantFrom(null, ...MODEL_COMMITS);
const steps = fc.array(fc.tuple(fc.oneof({ weight: 8, arbitrary: modelChange }, removal), commit), { maxLength: 12 });

describe('the fleet index', () => {
  it('equals an index built from nothing after any changes, in every scope', () => {
    fc.assert(
      fc.property(steps, (changes) => {
        const fleet = new Simulation();
        for (const [change, desired] of changes) {
          fleet.change(change);
          fleet.check(desired);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps unchanged objects', () => {
    const index = new FleetIndex();
    const desired = desiredOf();
    const report = policyReport('finance');
    const eu = clusterRecord('eu', [report]);
    const before = index
      .update({ desired, clusters: [eu] })
      .policy('hr')
      ?.summary();
    const later = { ...eu, policies: new Map(eu.policies).set(policyKey(report), policyReport('finance', { phase: 'Failed' })) };
    const fleet = index.update({ desired, clusters: [later] });
    expect(fleet.policy('finance')?.summary().phase).toBe('Failed');
    expect(fleet.policy('hr')?.summary()).toBe(before);
  });
});
