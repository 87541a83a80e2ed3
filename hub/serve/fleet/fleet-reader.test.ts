import { type PolicyReport, policyKey } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import { ThreadSlices } from '@fso/shared/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neverSeenCluster } from '../../ledger/changes.ts';
import type { ClusterRecord } from '../../ledger/index.ts';
import { LedgerCache } from '../../ledger/ledger-cache.ts';
import { clusterRecord, desiredOf, FILES, OLD_REVISION, policyReport, REVISION } from '../testing/fleet.ts';
import { shownFleet } from '../testing/fleet-oracle.ts';
import { FleetIndex, type FleetInput } from './fleet-index.ts';
import { FleetReader } from './fleet-reader.ts';

const CLUSTERS = ['a', 'b', 'c', 'd', 'e', 'f'];
/** More policies than one step of an update takes. */
const NAMES = Array.from({ length: 150 }, (_, n) => `policy-${n}`);

const policyFile = (name: string): SourceFile => ({
  path: `policies/${name}.yaml`,
  text: `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: {targetNamespace: ${name}, allowedRegions: [eu-west-1]}\n`,
});
const PLACES = FILES.filter(({ path }) => !path.startsWith('policies'));
const COMMITS = [
  desiredOf(REVISION, [...PLACES, ...NAMES.map(policyFile)]),
  desiredOf(OLD_REVISION, [...PLACES, ...NAMES.slice(40).map(policyFile)]),
] as const;

/** Looks at reports that all indexes have made. */
let looks = 0;

/** Reports that count how often they are looked at. */
class CountedReports extends Map<string, PolicyReport> {
  override get(key: string): PolicyReport | undefined {
    looks += 1;
    return super.get(key);
  }
}

const recordOf = (cluster: string, failed: number, connected = true): ClusterRecord => ({
  ...clusterRecord(cluster, [], { connected }),
  policies: new CountedReports(
    NAMES.map((name, at) => [policyKey(policyReport(name)), policyReport(name, { phase: at < failed ? 'Failed' : 'Active' })]),
  ),
});

/** Steps of an update in one slice, and policies in one step, at most. */
const SLICE = 10;
const STEP = 64;

const open = () => {
  const cache = new LedgerCache(10);
  const clock = new FakeClock();
  // Each look at the time is a millisecond later than the one before.
  let ms = 0;
  const slices = new ThreadSlices(() => {
    ms += 1;
    return ms;
  });
  const ledger = {
    desired: async () => cache.desired(),
    clusters: async () => cache.clusters(),
    source: async () => null,
    subscribe: cache.subscribe.bind(cache),
  };
  const endSlice = (): void => {
    ms += 1_000;
  };
  return { cache, clock, endSlice, reader: new FleetReader({ ledger, clock, version: '0', slices }) };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const step = fc.oneof(
  fc.record({
    kind: fc.constant('report' as const),
    cluster: fc.constantFrom(...CLUSTERS),
    failed: fc.nat(NAMES.length),
    connected: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('forget' as const), cluster: fc.constantFrom(...CLUSTERS) }),
  fc.record({ kind: fc.constant('commit' as const), at: fc.constantFrom(0, 1) }),
  fc.record({ kind: fc.constant('read' as const), turns: fc.nat(4) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const take = (cache: LedgerCache, change: Exclude<Step, { kind: 'read' }>): void => {
  if (change.kind === 'commit') cache.setDesired(COMMITS[change.at as 0 | 1]);
  else cache.set(change.kind === 'forget' ? neverSeenCluster(change.cluster) : recordOf(change.cluster, change.failed, change.connected));
};

/** A fleet that changes, all states that it had, and reads that are under way. */
class History {
  readonly #opened = open();
  readonly #states: FleetInput[] = [];
  readonly #reads: Promise<void>[] = [];

  constructor() {
    this.#note();
  }

  async take(each: Step): Promise<void> {
    if (each.kind === 'read') {
      this.#reads.push(this.#read(this.#states.length - 1));
      for (let n = 0; n < each.turns; n += 1) await turn();
      return;
    }
    take(this.#opened.cache, each);
    this.#note();
  }

  async end(): Promise<void> {
    await Promise.all([...this.#reads, this.#read(this.#states.length - 1)]);
  }

  #note(): void {
    const { cache } = this.#opened;
    this.#states.push({ desired: cache.desired(), clusters: cache.clusters() });
  }

  /** Reads, and compares with the states from one on. */
  async #read(since: number): Promise<void> {
    const shown = shownFleet(await this.#opened.reader.read());
    const possible = this.#states.slice(since).map((state) => shownFleet(new FleetIndex().update(state)));
    expect(possible).toContainEqual(shown);
  }
}

describe('a reader of the fleet', () => {
  it('answers with a whole state, none from before it was asked, after any changes meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 16 }), async (steps) => {
        const history = new History();
        for (const each of steps) await history.take(each);
        await history.end();
      }),
      { numRuns: 40 },
    );
  });

  it('answers with a whole state where the next update begins right after the one that was waited for', async () => {
    for (let delay = 0; delay < 15; delay += 1) {
      const { cache, endSlice, reader } = open();
      const states: FleetInput[] = [];
      const change = (names: readonly string[], failed: number): void => {
        for (const name of names) cache.set(recordOf(name, failed));
        states.push({ desired: cache.desired(), clusters: cache.clusters() });
      };
      change(CLUSTERS, 0);
      await reader.read();
      endSlice();
      // Begins a slice, most of which is left for the updates below.
      await reader.read();
      change(['a'], 1);
      const reading = reader.read().then(shownFleet);
      for (let step = 0; step < delay; step += 1) await Promise.resolve();
      change(CLUSTERS, 2);
      const [shown] = await Promise.all([reading, reader.read()]);
      expect(states.slice(1).map((state) => shownFleet(new FleetIndex().update(state)))).toContainEqual(shown);
    }
  });

  it('never holds the thread for longer than a slice, however much there is to take in', async () => {
    const { cache, reader } = open();
    cache.setDesired(COMMITS[0]);
    const fleet = Array.from({ length: 200 }, (_, n) => recordOf(`cluster-${n}`, 0));
    for (const record of fleet) cache.set(record);
    const [before, over] = [looks, new AbortController()];
    const reading = reader.read().finally(() => over.abort());
    let [most, last] = [0, looks];
    for (; !over.signal.aborted; last = looks) {
      await turn();
      most = Math.max(most, looks - last);
    }
    expect((await reading).clusters()).toHaveLength(fleet.length + 2);
    const all = looks - before;
    const policies = fleet.length * NAMES.length;
    expect(all).toBeGreaterThanOrEqual(policies);
    expect(most).toBeLessThanOrEqual((SLICE + 1) * STEP * Math.ceil(all / policies));
  });

  it('follows the ledger for a minute after a read, so that the next one finds it done', async () => {
    const { cache, clock, reader } = open();
    cache.set(recordOf('a', 0));
    await reader.read();
    const looksOf = async (work: () => Promise<unknown>): Promise<boolean> => {
      const before = looks;
      await work();
      return looks > before;
    };
    const elapse = async (ms: number): Promise<void> => {
      await clock.advance(ms);
      for (let n = 0; n < 10; n += 1) await turn();
    };
    cache.set(recordOf('a', 1));
    expect([await looksOf(() => elapse(1_000)), await looksOf(() => reader.read())]).toEqual([true, false]);
    await clock.advance(60_000);
    cache.set(recordOf('a', 2));
    expect([await looksOf(() => elapse(1_000)), await looksOf(() => reader.read())]).toEqual([false, true]);
    cache.set(recordOf('a', 3));
    expect([await looksOf(() => elapse(1_000)), await looksOf(() => reader.read())]).toEqual([true, false]);
  });
});
