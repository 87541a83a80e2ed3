import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterView, Page } from '@fso/shared/api';
import type { Transaction } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import { openDatabase } from '../../hub/ledger/sql/database.ts';
import { migrate } from '../../hub/ledger/sql/migrate.ts';
import type { Database, Schema } from '../../hub/ledger/sql/schema.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';

/** What a container of 512 MiB leaves to Node.js. */
const HEAP = '--max-old-space-size=256';

const row = (name: string) => ({
  name,
  connected_by: null,
  stream: null,
  last_seen: '2026-01-03T10:30:00.000Z',
  offered_revision: null,
  acked_revision: null,
  acked_digest: null,
  nack_json: null,
  report_json: null,
  reported_seq: 1,
  reported_digest: '0'.repeat(64),
  policies_changed: null,
  not_observed_json: null,
  kept_json: null,
  baseline_json: null,
  diverged_since: null,
  version: 1,
  full_version: 0,
  writer: 'test',
});

interface Stored {
  /** Policies, half of them failed. */
  readonly count: number;
  /** Characters of the message of each. */
  readonly length?: number;
}

/** Writes a cluster as a hub without bounds would have. */
const fill = ({ db }: Database, cluster: string, stored: Stored): Promise<void> =>
  db.transaction().execute((trx) => fillIn(trx, cluster, stored));

const fillIn = async (db: Transaction<Schema>, cluster: string, { count, length = 200 }: Stored): Promise<void> => {
  const message = 'x'.repeat(length);
  const report = (at: number) => {
    const phase = at % 2 === 0 ? ('Active' as const) : ('Failed' as const);
    return policyReport(`${cluster}-p${at}`, { namespace: 'a', managedBy: 'local', targetNamespace: `ns-${at}`, message, phase });
  };
  await db.insertInto('clusters').values(row(cluster)).execute();
  const rows = Array.from({ length: count }, (_, at) => report(at)).map((each) => ({
    cluster,
    policy: `a/${each.name}`,
    phase: each.phase,
    violations: 0,
    report_json: JSON.stringify(each),
  }));
  for (let at = 0; at < rows.length; at += 1_000)
    await db
      .insertInto('deviations')
      .values(rows.slice(at, at + 1_000))
      .execute();
};

const clustersOf = async ({ url }: HubProcess): Promise<ClusterView[]> =>
  ((await (await fetch(`${url}/api/v1/clusters?limit=500`)).json()) as Page<ClusterView>).items;

describe.each(['embedded', 'PostgreSQL'] as const)('a hub with little memory on a large ledger (%s)', (kind) => {
  let folder: string;
  let stopServer = async (): Promise<void> => undefined;
  /** A hub that has filled its ledger already, and the settings by which its database is found. */
  const prepare = async (name: string, fillAll: (database: Database) => Promise<void>) => {
    const home = join(folder, name);
    const url = createUrl === undefined ? undefined : await createUrl();
    const env: Record<string, string> =
      url === undefined ? { FSO_DATA_DIR: join(home, 'data') } : { DATABASE_URL: url, FSO_DATA_DIR: join(home, 'data') };
    const database = await openDatabase(url === undefined ? { folder: join(home, 'data', 'ledger') } : { url });
    await migrate(database);
    await fillAll(database);
    await database.close();
    const gitUrl = 'http://127.0.0.1:9/nowhere.git';
    const hub = await createHubProcess({ name, folder: home, gitUrl, tokens: new Map(), env: { ...env, NODE_OPTIONS: HEAP } });
    return { hub, env, url };
  };
  let createUrl: (() => Promise<string>) | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-quota-'));
    if (kind === 'embedded') return;
    const server = await startPostgres();
    createUrl = server.createDatabase;
    stopServer = server.stop;
  });
  afterAll(async () => {
    await stopServer();
    await rm(folder, { recursive: true });
  });

  it('starts with 120,000 policies of one cluster, names it, and forgets it without a hub', async () => {
    const { hub, env, url } = await prepare('one', async (database) => {
      await fill(database, 'evil', { count: 120_000 });
      await fill(database, 'good', { count: 10 });
    });
    await hub.start();
    expect(hub.logged('policies of a cluster not read: too much is stored of them')).toBe(true);
    const [evil, good] = await clustersOf(hub);
    expect([evil?.name, evil?.notKept, evil?.policies.total]).toEqual(['evil', { policies: null, reason: 'quota' }, 0]);
    expect([good?.name, good?.notKept, good?.policies.total]).toEqual(['good', null, 10]);
    const refused = await runFso(['ledger', 'forget', 'evil', '--yes'], env);
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/another hub has the ledger|a hub works on this database/) });
    await hub.stop();
    if (url !== undefined) await expireHubs(url);
    expect(await runFso(['ledger', 'forget', 'evil', '--yes'], env)).toMatchObject({ code: 0 });
    await hub.start();
    expect((await clustersOf(hub)).map(({ name }) => name)).toEqual(['good']);
    await hub.stop();
  });

  it.each([
    ['2,000 policies', {}],
    ['16 MiB', { length: 7_500 }],
  ])('starts with 20 clusters of %s each', async (amount, size) => {
    const { hub } = await prepare(amount.replace(/\W/g, ''), async (database) => {
      for (let at = 0; at < 20; at += 1) await fill(database, `c${at}`, { count: 2_000, ...size });
    });
    await hub.start();
    const clusters = await clustersOf(hub);
    const read = clusters.filter(({ notKept }) => notKept === null);
    expect(clusters).toHaveLength(20);
    expect(read.length).toBeGreaterThan(0);
    for (const { policies } of read) expect(policies.total).toBe(2_000);
    for (const { notKept } of clusters) expect([undefined, 'memory']).toContain(notKept?.reason);
    await hub.stop();
  });
});

/** As if the hubs on a database had stopped a while ago. */
const expireHubs = async (url: string): Promise<void> => {
  const database = await openDatabase({ url });
  await database.db.deleteFrom('replicas').execute();
  await database.close();
};
