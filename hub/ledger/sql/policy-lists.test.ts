import { digestOfPolicies } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { ListedPolicy } from '@fso/shared/status';
import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import { PolicyList, PolicyLists } from '../policies/index.ts';
import type { Database } from './database.ts';
import { forgetListRow, type ListRow, listQueries, makeListRow, readList, readLists, readNewestLists } from './policy-lists.ts';
import { openTestDatabase } from './testing/open-test-database.ts';

const STORED = '2026-01-01T00:00:00.000Z';

let database: Database;
beforeEach(async () => {
  database = await openTestDatabase('lists');
});

/** Revisions of the policies of a list, by name. */
type Content = Readonly<Record<string, number>>;

const NAMES = Array.from({ length: 12 }, (_, i) => `team-${String.fromCharCode(97 + i)}`);

const known = new PolicyLists();
const policyOf = (name: string, revision: number): ListedPolicy =>
  known.intern({
    name,
    digest: `${name}@${revision}`,
    since: `r${revision}`,
    targetNamespace: name,
    enforcementAction: 'deny',
    effectiveRegions: ['eu-west-1'],
    locks: { admission: true, gatekeeper: true, binding: true },
  });

const listOf = (content: Content): PolicyList => {
  const names = Object.keys(content).sort(byText);
  const policies = names.map((name) => policyOf(name, content[name] ?? 0));
  return new PolicyList(digestOfPolicies(policies), policies);
};

const store = (rows: readonly ListRow[], version: number): Promise<void> =>
  database.db.transaction().execute(async (trx) => {
    for (const query of listQueries(rows, trx, version)) await trx.executeQuery(query);
  });

/** Stores lists, each as the difference from the one before. */
const storeChain = async (chain: readonly PolicyList[]): Promise<readonly ListRow[]> => {
  const rows = chain.map((list, at) => makeListRow({ list, base: chain[at - 1] }, STORED));
  await store(rows, 1);
  return rows;
};

/** Lists of which each differs from the one before in one policy. */
const chain = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.boolean()), { minLength: 1, maxLength: 60 }).map((changes) => {
  const content = new Map(NAMES.map((name) => [name, 0]));
  return changes.map(([name, isGone], at) => {
    if (isGone) content.delete(name);
    else content.set(name, at + 1);
    return listOf(Object.fromEntries(content));
  });
});

it('survive storage, through any changes from one to the next', async () => {
  await fc.assert(
    fc.asyncProperty(chain, async (lists) => {
      await database.db.deleteFrom('policy_lists').execute();
      await storeChain(lists);
      const read = await readLists(
        database.db,
        lists.map(({ digest }) => digest),
        new PolicyLists(),
      );
      for (const { digest, policies } of lists) expect(read.get(digest)?.policies).toEqual(policies);
    }),
    { numRuns: 25 },
  );
});

it('are written as differences from the previous list, or whole where those are large or deep', async () => {
  const lists = Array.from({ length: 40 }, (_, at) => listOf(Object.fromEntries(NAMES.map((name, i) => [name, i === 0 ? at : 0]))));
  const rows = await storeChain(lists);
  expect(rows.map(({ depth }) => depth)).toEqual([...Array.from({ length: 33 }, (_, at) => at), 0, 1, 2, 3, 4, 5, 6]);
  expect(JSON.parse(rows[1]?.list_json ?? '')).toEqual({ policies: [policyOf('team-a', 1)] });
  const other = listOf(Object.fromEntries(NAMES.map((name) => [name, 99])));
  expect(makeListRow({ list: other, base: lists.at(-1) }, STORED).base).toBeNull();
  // Each of them alone, by a hub that starts.
  for (const { digest, policies } of lists) expect((await readList(database.db, digest, new PolicyLists()))?.policies).toEqual(policies);
});

it('are written once, and never on top of one that could not be written', async () => {
  const [first, second, third] = [0, 1, 2].map((at) => listOf({ ...Object.fromEntries(NAMES.map((name) => [name, 0])), hr: at })) as [
    PolicyList,
    PolicyList,
    PolicyList,
  ];
  const rows = await storeChain([first, second]);
  // Another hub has compiled the same commit.
  await store(rows, 2);
  const versions = await database.db.selectFrom('policy_lists').select('version').execute();
  expect(versions.map(({ version }) => Number(version))).toEqual([1, 1]);
  forgetListRow(second);
  expect(makeListRow({ list: third, base: second }, STORED).base).toBeNull();
});

it('are unknown where their base is missing', async () => {
  const lists = [0, 1].map((at) => listOf({ ...Object.fromEntries(NAMES.map((name) => [name, 0])), hr: at })) as [PolicyList, PolicyList];
  await storeChain(lists);
  await database.db.deleteFrom('policy_lists').where('digest', '=', lists[0].digest).execute();
  expect(await readList(database.db, lists[1].digest, new PolicyLists())).toBeUndefined();
});

it('take precedence over what an agent has named of them', async () => {
  const list = listOf({ finance: 1, hr: 1 });
  await storeChain([list]);
  const lists = new PolicyLists();
  expect(
    lists.takeListed(
      list.digest,
      list.policies.map(({ name, digest }) => [name, digest] as const),
    )?.policies,
  ).toEqual([]);
  expect((await readList(database.db, list.digest, lists))?.policies).toEqual(list.policies);
  expect(lists.get(list.digest)?.isNamed).toBe(false);
});

it('are loaded at the start, so that a commit keeps the dates of its policies', async () => {
  const list = listOf({ finance: 1, hr: 2 });
  await storeChain([list]);
  const lists = new PolicyLists();
  await readNewestLists(database.db, lists);
  expect(lists.get(list.digest)?.policies.map(({ since }) => since)).toEqual(['r1', 'r2']);
});

it('are read a few at a time, and the newest of many are held', async () => {
  const lists = Array.from({ length: 300 }, (_, at) => listOf({ finance: at }));
  for (const [at, list] of lists.entries()) await store([makeListRow({ list, base: undefined }, STORED)], at);
  const read: string[][] = [];
  const watched = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      read.push(result.rows.flatMap((row) => ('list_json' in row ? [String(row['digest'])] : [])));
      return result;
    },
  });
  await readNewestLists(watched, new PolicyLists());
  expect(Math.max(...read.map((rows) => rows.length))).toBe(20);
  expect(new Set(read.flat())).toEqual(new Set(lists.slice(-256).map(({ digest }) => digest)));
});
