import { type PolicyReport, policyKey } from '@fso/shared/api';
import { encodeBitmap } from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterFile, policyFile } from '../../../test/harness/policy-files.ts';
import { ClusterPolicies, type ClusterRecord, type Desired, PolicyLists } from '../../ledger/index.ts';
import { NameSets } from '../scope/name-sets.ts';
import { ScopeState } from '../scope/scope-state.ts';
import { baselineIn, clusterRecord, desiredOf, OLD_REVISION, policyReport, REVISION } from '../testing/fleet.ts';
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

const MANY = Array.from({ length: 70 }, (_, n) => `p${n}`);
const commitOf = (revision: string, regions: readonly string[]): Desired =>
  desiredOf(revision, [
    ...['eu', 'us', 'ap'].map((name) => ({ path: `clusters/${name}.yaml`, text: clusterFile(name, regions) })),
    ...MANY.map((name) => ({ path: `policies/${name}.yaml`, text: policyFile(name, regions) })),
  ]);
const LARGE_COMMITS = [commitOf(REVISION, ['eu-west-1']), commitOf(OLD_REVISION, ['eu-central-1'])] as const;

/** Builds records of clusters with many policies. */
const largeRecords = () => {
  const lists = new PolicyLists();
  for (const each of LARGE_COMMITS) lists.takeCommit(each, () => undefined);
  return ({ name, connected, list, missing, named }: LargeCluster, second: number): ClusterRecord => {
    const at = new Date(Date.UTC(2026, 0, 2, 0, 0, second)).toISOString();
    const baseline = baselineIn(LARGE_COMMITS[list ?? 0] ?? LARGE_COMMITS[0], name, { missing });
    const policies = lists.get(baseline.list);
    if (list === undefined || policies === undefined) return clusterRecord(name, [], { connected });
    const deviating = new Map(named.map((key) => [key, policyReport(key, { phase: 'Failed' })]));
    return clusterRecord(name, [], {
      connected,
      baseline,
      policies: new ClusterPolicies(policies, baseline, deviating),
      policiesChanged: at,
    });
  };
};

const largeCluster = fc.record({
  name: fc.constantFrom('eu', 'us', 'ap'),
  connected: fc.boolean(),
  /** Index of the commit; undefined: the agent has not reported. */
  list: fc.constantFrom(undefined, 0, 1),
  missing: fc.constantFrom(
    '',
    encodeBitmap(MANY.length, (bit) => bit < 66),
  ),
  named: fc.constantFrom<readonly string[]>([], ['p7']),
});
type LargeCluster = typeof largeCluster extends fc.Arbitrary<infer T> ? T : never;

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

  it('counts clusters whose policies change all at once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(largeCluster, { maxLength: 3 }), fc.constantFrom(...LARGE_COMMITS)), { maxLength: 8 }),
        (steps) => {
          const recordOfLarge = largeRecords();
          const known = new Map<string, ClusterRecord>();
          const reader = new Reader();
          for (const [changes, desired] of steps) {
            for (const change of changes) known.set(change.name, recordOfLarge(change, 0));
            const clusters = [...known.values()];
            reader.check({ desired, clusters }, { desired, clusters: clusters.map((record) => plainly(record, new Map(record.policies))) });
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('dates all policies of clusters that change together by the last change', () => {
    const recordOfLarge = largeRecords();
    const index = new FleetIndex();
    const [desired] = LARGE_COMMITS;
    const conforming = { connected: true, missing: '', named: [] };
    const update = (states: readonly (readonly [name: 'eu' | 'us', list: LargeCluster['list'], second: number])[]) => {
      const clusters = states.map(([name, list, second]) => recordOfLarge({ ...conforming, name, list }, second));
      const [policy] = index.update({ desired, clusters }).policies();
      return [policy?.summary().lastUpdated, policy?.rows.get('eu')?.changed, policy?.rows.get('us')?.changed].map((time) =>
        time?.slice(17, 19),
      );
    };
    expect(
      update([
        ['eu', undefined, 0],
        ['us', undefined, 0],
      ]),
    ).toEqual([undefined, undefined, undefined]);
    expect(
      update([
        ['eu', 0, 5],
        ['us', 0, 3],
      ]),
    ).toEqual(['05', '05', '03']);
    expect(
      update([
        ['eu', 0, 5],
        ['us', 1, 9],
      ]),
    ).toEqual(['09', '05', '09']);
    expect(
      update([
        ['eu', 1, 7],
        ['us', 1, 9],
      ]),
    ).toEqual(['09', '07', '09']);
    expect(update([['eu', 1, 7]])).toEqual(['07', '07', undefined]);
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
