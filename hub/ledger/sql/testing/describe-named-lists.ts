import { sha256 } from '@fso/shared/encoding';
import { FakeClock } from '@fso/shared/fake-clock';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baselineOf } from '../../../../test/harness/baselines.ts';
import { neverSeenCluster } from '../../changes.ts';
import { listIn, PolicyLists } from '../../policies/index.ts';
import { commitFor, fixedClock, listOfCommit, report } from '../../testing/ledger.ts';
import type { Desired, HistoryChange, Ledger } from '../../types.ts';
import type { Database } from '../database.ts';
import { Clearing } from '../history/clearing.ts';
import { HistoryKeeper } from '../history/history-keeper.ts';
import { migrate } from '../migrate.ts';
import { clearLists } from '../named-lists.ts';
import { readLists } from '../policy-lists.ts';
import { createSqlLedger } from '../sql-ledger.ts';
import type { TestDatabase } from './describe-search.ts';

const DAY_MS = 86_400_000;
const logger = pino({ level: 'silent' });
const { signal } = new AbortController();

/**
 * Policies of which most never change, so that a list is stored as what differs from one before.
 */
const policiesOf = (at: number): string[] => [...Array.from({ length: 12 }, (_, n) => `kept-${n + 10}`), `other-${at}`];
const listAt = (at: number): string => listOfCommit(policiesOf(at));

const storedIn = async ({ db }: Database): Promise<ReadonlySet<string>> =>
  new Set((await db.selectFrom('policy_lists').select('digest').execute()).map(({ digest }) => digest));

/** Digests that the history names, as its JSON has them. */
const namedIn = async ({ db }: Database): Promise<readonly string[]> => {
  const rows = await db.selectFrom('cluster_history').select(['changes_json', 'list']).execute();
  const named = rows.map(({ changes_json }) =>
    (JSON.parse(changes_json) as HistoryChange[]).flatMap(({ baseline }) => baseline?.list ?? []),
  );
  expect(rows.map(({ list }) => (list === null ? [] : [list]))).toEqual(named);
  return named.flat();
};

/** Digests of the lists that a hub knows its clusters to have. */
const knownTo = async (ledger: Ledger): Promise<string[]> => (await ledger.clusters()).flatMap((record) => listIn(record)?.digest ?? []);

/** Returns the digests of the lists that a starting hub cannot read. */
const unreadable = async ({ db }: Database, digests: readonly string[]): Promise<string[]> => {
  const read = await readLists(db, digests, new PolicyLists());
  return digests.filter((digest) => !read.has(digest));
};

/** Lists that the history does not name, and on which none that it names builds. */
const unneeded = async (database: Database): Promise<string[]> => {
  const rows = await database.db.selectFrom('policy_lists').select(['digest', 'base']).execute();
  const needed = new Set<string | null>(await namedIn(database));
  for (let size = 0; size < needed.size; ) {
    size = needed.size;
    for (const { digest, base } of rows) if (needed.has(digest)) needed.add(base);
  }
  return rows.flatMap(({ digest }) => (needed.has(digest) ? [] : [digest]));
};

/** A hub on a database, beside another one that clears and has none of the lists in memory. */
class Hub {
  readonly database: Database;
  readonly ledger: Ledger;
  #seq = 0;

  private constructor(database: Database, ledger: Ledger) {
    this.database = database;
    this.ledger = ledger;
  }

  static async open(database: Database): Promise<Hub> {
    return new Hub(database, await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger }));
  }

  async commit(number: number): Promise<void> {
    await this.ledger.setDesired(commitFor(`r${number}`, ['eu', 'us'], policiesOf(number)));
  }

  async say(cluster: string, list: string): Promise<void> {
    this.#seq += 1;
    await this.ledger.applyReport(cluster, report(this.#seq, { full: true, baseline: baselineOf(list) }));
  }

  clear(): Promise<number> {
    return clearLists(this.database, { before: '9999', kept: new Set(), signal });
  }

  /** Puts the whole history of each cluster together. */
  async shorten(): Promise<void> {
    const histories = new HistoryKeeper({ ...this.database, logger, signal });
    while ((await histories.clear('9999')) > 0);
  }
}

/** Action of a hub, and whether another one clears meanwhile. */
type Step = { readonly clears: boolean } & (
  | { readonly kind: 'commit'; readonly at: number }
  /** Reports that share a transaction if they come fast enough. */
  | { readonly kind: 'reports'; readonly cluster: string; readonly of: readonly number[] }
  | { readonly kind: 'forget'; readonly cluster: string }
  | { readonly kind: 'shorten' | 'restart' | 'nothing' }
);

const at = fc.nat(8);
const cluster = fc.constantFrom('eu', 'us');
const clears = fc.boolean();
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('commit' as const), at, clears }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('reports' as const), cluster, of: fc.array(at, { maxLength: 3 }), clears }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), cluster, clears }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('shorten' as const, 'restart' as const, 'nothing' as const), clears }) },
);

/** @returns the hub that goes on */
const take = async (hub: Hub, next: Step): Promise<Hub> => {
  switch (next.kind) {
    case 'commit':
      await hub.commit(next.at);
      return hub;
    case 'reports':
      await Promise.all(next.of.map((number) => hub.say(next.cluster, listAt(number))));
      return hub;
    case 'forget':
      await hub.ledger.forgetCluster(next.cluster);
      return hub;
    case 'shorten':
      await hub.shorten();
      return hub;
    case 'restart':
      await hub.ledger.close();
      return Hub.open(hub.database);
    case 'nothing':
      return hub;
  }
};

/** A hub on a database without anything of clusters. */
const startHub = async ({ database }: TestDatabase): Promise<Hub> => {
  for (const table of ['clusters', 'cluster_history', 'policy_lists'] as const) await database.db.deleteFrom(table).execute();
  return Hub.open(database);
};

/** Tests that lists named by histories and clusters are never cleared, and all others are. */
const itKeepsNamedLists = (test: () => TestDatabase): void => {
  it('stay readable through clearing where the history or a cluster names them', async () => {
    const { database } = test();
    let cleared = 0;
    const takeStep = async (hub: Hub, next: Step): Promise<Hub> => {
      const [after, count] = await Promise.all([take(hub, next), next.clears ? hub.clear() : 0]);
      cleared += count;
      expect(await unreadable(database, [...(await namedIn(database)), ...(await knownTo(after.ledger))])).toEqual([]);
      return after;
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        let hub = await startHub(test());
        for (const next of steps) hub = await takeStep(hub, next);
        const known = await knownTo(hub.ledger);
        cleared += await hub.clear();
        expect(await unneeded(database)).toEqual([]);
        hub = await take(hub, { kind: 'restart', clears: false });
        expect(await knownTo(hub.ledger)).toEqual(known);
        await hub.ledger.close();
      }),
      { numRuns: 25 },
    );
    expect(cleared).toBeGreaterThan(0);
  });
};

/** Defines the tests of keeping and clearing lists, the same on both databases. */
export const describeNamedLists = (name: string, open: () => Promise<TestDatabase>): void => {
  describe(`lists of policies on ${name}`, () => {
    let test: TestDatabase;
    beforeAll(async () => {
      test = await open();
      await migrate(test.database);
    });
    afterAll(() => test.close());

    itKeepsNamedLists(() => test);

    /** Lists by number of which none builds on another. */
    const alone = Array.from({ length: 7 }, (_, number) => [`only-${number}`]);
    const left = async (): Promise<number[]> => {
      const digests = await storedIn(test.database);
      return [...alone.entries()].flatMap(([number, policies]) => (digests.has(listOfCommit(policies)) ? [number] : []));
    };
    const commitAlone = (number: number): Desired => commitFor(`r${number}`, ['eu'], alone[number] ?? []);

    it('are read where a cluster has one that is older than all in memory', async () => {
      const first = await startHub(test);
      await first.ledger.setDesired(commitAlone(0));
      const list = listOfCommit(alone[0] ?? []);
      await first.say('eu', list);
      await first.ledger.close();
      const rows = Array.from({ length: 300 }, (_, number) => ({
        ...{ digest: sha256(`newer ${number}`), base: null, depth: 0, stored: '2026-01-01T00:00:00.000Z' },
        ...{ version: 1_000_000 + number, list_json: '{"policies":[]}' },
      }));
      await test.database.db.insertInto('policy_lists').values(rows).execute();
      const { ledger } = await Hub.open(test.database);
      expect([...((await ledger.cluster('eu'))?.policies.keys() ?? [])]).toEqual(alone[0]);
      await ledger.close();
    });

    it('are removed a week after they were stored, once no cluster, history or recent commit has them', async () => {
      const hub = await startHub(test);
      // The cluster comes to have two of them.
      for (const number of alone.keys()) {
        await hub.ledger.setDesired(commitAlone(number));
        if (number === 1 || number === 3) await hub.say('eu', listOfCommit(alone[number] ?? []));
      }
      await hub.ledger.close();
      const lists = new PolicyLists();
      const clock = new FakeClock(fixedClock.now());
      const histories = new HistoryKeeper({ ...test.database, logger, signal });
      // Of which the history says nothing.
      const clusters = [{ ...neverSeenCluster('us'), baseline: baselineOf(listOfCommit(alone[0] ?? [])) }];
      const history = { days: 30, events: 1_000 };
      const deps = { database: test.database, clock, logger, history, replica: 'another', histories, signal };
      const clearing = new Clearing({ ...deps, keptLists: () => lists.keptFor(clusters) });
      const runDays = async (days: number): Promise<void> => {
        for (let day = 0; day < days; day += 1) {
          await clock.advance(DAY_MS);
          await clearing.run();
        }
      };
      const take = (number: number) => lists.takeCommit(commitAlone(number), () => undefined);
      take(4);
      await runDays(7);
      expect(await left()).toEqual([0, 1, 2, 3, 4, 5, 6]);
      await clock.advance(DAY_MS);
      // A hub without a commit does not know which ones are on their way.
      await new Clearing({ ...deps, keptLists: () => new PolicyLists().keptFor([]) }).run();
      expect(await left()).toEqual([0, 1, 2, 3, 4, 5, 6]);
      await clearing.run();
      expect(await left()).toEqual([0, 1, 3, 4]);
      // The history has forgotten the first of the two.
      await runDays(25);
      expect(await left()).toEqual([0, 3, 4]);
    });
  });
};
