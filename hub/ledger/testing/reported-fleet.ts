import { type PolicyReport, policyKey } from '@fso/shared/api';
import { type CompiledPolicy, compileFleet, digestOfPolicies } from '@fso/shared/compile';
import { type Report, totalOf } from '@fso/shared/protocol';
import { type Baseline, encodeBitmap, groupDeviations, isWhole, type NamedPolicy, standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { applyChange, type ClusterChange, neverSeenCluster } from '../changes.ts';
import { historyBetween } from '../history/cluster-history.ts';
import { keysBetween, listOf, namedIn, PolicyList, PolicyLists } from '../policies/index.ts';
import type { ClusterRecord, HistoryChange } from '../types.ts';
import { report } from './ledger.ts';

/**
 * Three clusters, the commits that they have, and what they report, drawn at random; every record
 * that they ever had is kept beside their history.
 */

/** Names of the clusters. */
export const CLUSTERS = ['apac', 'eu', 'us'];
const NAMES = ['a', 'b'];
const LOCAL = 'team-a/x';
/** Maximum number of steps after the first. */
export const MAX_STEPS = 24;
/** Keys of the policies: two of the hub, and one that was applied in a cluster. */
export const KEYS: readonly string[] = [...NAMES, LOCAL];

/** Returns the time of a step; there is one a second. */
export const timeOf = (at: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString();
const revisionOf = (at: number): string => at.toString(16).padStart(40, '0');

const content = fc.record({
  region: fc.constantFrom('eu-west-1' as const, 'us-east-1' as const),
  targetNamespace: fc.constantFrom('finance', 'fin*'),
  expires: fc.option(fc.nat(MAX_STEPS)),
  isEverywhere: fc.boolean(),
});
const policies = fc.dictionary(fc.constantFrom(...NAMES), content, { noNullPrototype: true, maxKeys: 2 });

const NAMED: readonly Partial<PolicyReport>[] = [
  { phase: 'Failed' },
  { violations: 2 },
  { violations: 5 },
  // Reads as the baseline may have it.
  { phase: 'Pending', revision: revisionOf(0) },
];
const named = fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...NAMED), { noNullPrototype: true, maxKeys: 2 });
/** Generates clusters, two of which change more often. */
export const cluster: fc.Arbitrary<string> = fc.constantFrom('apac', 'eu', 'eu', 'eu', 'us', 'us', 'us');
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const), policies }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('report' as const),
      cluster,
      // Commits that it is behind.
      behind: fc.constantFrom(0, 0, 0, 1, 2),
      baseline: fc.constantFrom<'list' | 'none' | 'unknown'>('list', 'list', 'list', 'list', 'list', 'list', 'none', 'unknown'),
      floor: fc.constantFrom(true, true, true, true, false),
      missing: fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 5),
      named,
      full: fc.boolean(),
    }),
  },
  // By the baseline of the report before.
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('rename' as const), cluster, named, full: fc.constantFrom(false, false, false, true) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('open' as const), cluster, isNew: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('relist' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), cluster }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Drawn<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** Generates what happens to the fleet: a commit first, then anything. */
export const steps: fc.Arbitrary<readonly Step[]> = fc
  .tuple(fc.record({ kind: fc.constant('commit' as const), policies }), fc.array(step, { maxLength: MAX_STEPS, size: 'max' }))
  .map(([first, rest]) => [first, ...rest]);

const compile = (drawn: Drawn<'commit'>['policies']): ReadonlyMap<string, readonly CompiledPolicy[]> => {
  const files = Object.entries(drawn).map(([name, { region, targetNamespace, expires, isEverywhere }]) =>
    policyFile(name, {
      allowedRegions: [region],
      targetNamespace,
      ...(expires !== null && { expiryDate: timeOf(expires) }),
      ...(!isEverywhere && { placement: { clusterNames: ['eu', 'us'] } }),
    }),
  );
  const fleet = compileFleet(setOf(...CLUSTERS.map((name) => clusterFile(name, ['eu-west-1'])), ...files));
  return new Map([...fleet].map(([name, compiled]) => [name, compiled.policies]));
};

/**
 * Policies that were applied in the cluster us, so many that not every change can name all those
 * known by name.
 */
const MANY = Array.from({ length: 60 }, (_, n) => policyReport(`y${n}`, { namespace: 'team-b', managedBy: 'local' }));

const namedReport = (key: string, how: Partial<PolicyReport>): PolicyReport =>
  key === LOCAL ? policyReport('x', { namespace: 'team-a', managedBy: 'local', ...how }) : policyReport(key, { managedBy: 'hub', ...how });

const ROOM = { policies: 1e6, whole: 1e6, bytes: 1e9 };

const FOREIGN = 'f'.repeat(64);

/** Fleet that keeps every record that its clusters ever had beside their history. */
export class ReportedFleet {
  readonly lists = new PolicyLists();
  readonly histories = new Map<string, HistoryChange[]>();
  /** Records of each cluster after each step. */
  readonly moments: ReadonlyMap<string, ClusterRecord>[] = [];
  readonly #commits: ReadonlyMap<string, PolicyList | undefined>[] = [];
  #records: ReadonlyMap<string, ClusterRecord> = new Map(CLUSTERS.map((name) => [name, neverSeenCluster(name)]));
  /** Lists held in memory, as nothing else may refer to them. */
  readonly #held: PolicyList[] = [];
  /**
   * A list of an agent of another version, as more and more of it is known: first one of its
   * policies, then all, as the agent has named it, then as it is stored once a hub is of that
   * version.
   */
  readonly #foreign: PolicyList[];

  constructor() {
    const same = { region: 'eu-west-1' as const, targetNamespace: 'fin*' as const, expires: 1_000, isEverywhere: true };
    const compiled = compile({ a: same, b: same }).get('eu') ?? [];
    const { intern } = this.lists;
    const stored = listOf({ digest: FOREIGN, policies: compiled, revision: revisionOf(0), intern }, undefined);
    const bits = new Map(stored.policies.map(({ name }, bit) => [name, bit]));
    const partOf = (policies: PolicyList['policies']) => new PolicyList(FOREIGN, policies, { size: bits.size, bits });
    // Of a commit of this hub, later than the one by which the list is stored.
    const named = stored.policies.map((policy) => ({ ...policy, since: revisionOf(1) }));
    this.#foreign = [partOf(named.slice(0, 1)), partOf(named), stored];
  }

  readonly listOf = async (digest: string): Promise<PolicyList | undefined> => this.lists.get(digest);

  take(drawn: Step): void {
    const time = timeOf(this.moments.length);
    for (const change of this.#changesOf(drawn, time)) this.#apply(change);
    this.moments.push(this.#records);
  }

  historyOf(name: string): readonly HistoryChange[] {
    return this.histories.get(name) ?? [];
  }

  #record(name: string): ClusterRecord {
    return this.#records.get(name) ?? neverSeenCluster(name);
  }

  #apply(change: ClusterChange): void {
    // An agent is seen until something else is.
    const before = { ...this.#record(change.cluster), lastSeen: { at: new Date(Date.parse(change.time) - 1).toISOString() } };
    const after = applyChange(before, change, { quota: ROOM, lists: this.lists });
    this.#records = new Map([...this.#records, [change.cluster, after]]);
    const keys = keysBetween(before.policies, after.policies);
    const added = historyBetween(change, { before, after, keys });
    if (added !== undefined) this.histories.set(change.cluster, [...this.historyOf(change.cluster), added]);
  }

  #changesOf(drawn: Step, time: string): readonly ClusterChange[] {
    switch (drawn.kind) {
      case 'commit':
        this.#commit(drawn.policies);
        return [];
      case 'report':
        return [{ time, cluster: drawn.cluster, type: 'report', report: this.#reportOf(drawn, this.#baselineOf(drawn, time)) }];
      case 'rename': {
        const { baseline } = this.#record(drawn.cluster);
        return [{ time, cluster: drawn.cluster, type: 'report', report: this.#reportOf(drawn, baseline && { ...baseline, asOf: time }) }];
      }
      case 'open': {
        const { cluster: name, isNew } = drawn;
        return [{ time, cluster: name, type: 'connected', connected: true, opens: true, isNew }];
      }
      case 'relist':
        this.#relist();
        return CLUSTERS.map((name) => ({ time, cluster: name, type: 'relist' }));
      case 'forget':
        return [
          { time, cluster: drawn.cluster, type: 'connected', connected: false },
          { time, cluster: drawn.cluster, type: 'forget' },
        ];
    }
  }

  #relist(): void {
    const next = this.#foreign.shift();
    if (next === undefined) return;
    const known = this.lists.get(FOREIGN);
    if (known !== undefined) this.lists.forget(known);
    this.#held.push(this.lists.add(next));
  }

  #commit(drawn: Drawn<'commit'>['policies']): void {
    const revision = revisionOf(this.#commits.length);
    const clusters = compile(drawn);
    const set = { policies: [], scopes: [], clusters: [], regionGroups: [], catalog: undefined, rollout: undefined };
    const added = this.lists.takeCommit({ revision, set, clusters }, () => undefined);
    this.#held.push(...added.map(({ list }) => list));
    this.#commits.push(new Map([...clusters].map(([name, compiled]) => [name, this.lists.get(digestOfPolicies(compiled))])));
  }

  #baselineOf({ cluster: name, behind, baseline, floor, missing }: Drawn<'report'>, time: string): Baseline | null {
    const list = this.#commits.at(-1 - behind)?.get(name);
    const digest = baseline === 'unknown' ? FOREIGN : list?.digest;
    if (baseline === 'none' || digest === undefined) return null;
    const profile = { floor, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' };
    const bits = encodeBitmap(list?.policies.length ?? 2, (bit) => (missing & (1 << bit)) !== 0);
    return baselineOf(digest, { profile, asOf: time, missing: bits, namespaces: ['finance'] });
  }

  #reportOf(drawn: Drawn<'report' | 'rename'>, baseline: Baseline | null): Report {
    const before = this.#record(drawn.cluster);
    const drawnNames = Object.entries(drawn.named).map(([key, how]) => namedReport(key, how));
    const named = [...drawnNames, ...(drawn.cluster === 'us' ? MANY : [])];
    // Of a policy that may be in the list a state, of any other one its report.
    const all = new Map(
      named.map((each): [string, NamedPolicy] => [
        policyKey(each),
        each.managedBy === 'hub' && baseline !== null ? standingOf(each) : each,
      ]),
    );
    return report(before.reportedSeq + 1, {
      full: drawn.full,
      baseline,
      total: totalOf(all),
      deviations: groupDeviations(all),
      policies: [...all.values()].filter(isWhole),
      removed: drawn.full ? [] : [...namedIn(before.policies).keys()].filter((key) => !all.has(key)),
    });
  }
}
