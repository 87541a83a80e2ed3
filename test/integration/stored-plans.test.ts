import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterPreview } from '@fso/shared/api';
import { Plan, StoredPlan } from '@fso/shared/effects';
import { systemClock } from '@fso/shared/runtime';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ledger, openLedger } from '../../hub/ledger/index.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { FILES } from '../../hub/serve/testing/fleet.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { eventually, never } from '../harness/waiting.ts';

const SECRET = 'planted-text-2e9a';
const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const ANSWER: ClusterPreview = {
  ...{ state: 'Answered', observedAt: '2026-06-01T00:00:00.000Z', lookedAt: { namespaces: 1, owners: 4, pods: 6 }, omitted: 0 },
  ...{ outside: NONE, refused: { ...NONE, after: 2, begins: 2 }, pending: NONE },
};
const finance = `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: finance}\nspec: {targetNamespace: finance, allowedRegions: [eu-west-1], description: ${SECRET}}\n`;
const files = { ...Object.fromEntries(FILES.map(({ path, text }) => [path, text])), 'policies/finance.yaml': finance };

/** Two hubs on one PostgreSQL database. */
describe('stored plans on PostgreSQL', () => {
  let postgres: TestPostgres;
  let url: string;
  /** Folder of the CA, which hubs on one database share. */
  let folder: string;
  const ledgers: Ledger[] = [];
  const servers: ApiHarness[] = [];

  const start = async (): Promise<ApiHarness> => {
    const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });
    const history = { days: 30, events: 1_000 };
    const ledger = await openLedger({ database: { url }, history, clock: systemClock, random: Math.random, logger }, never);
    ledgers.push(ledger);
    const server = await startApiHarness({ ledger, folder, agents: { preview: async () => ANSWER } });
    servers.push(server);
    return server;
  };
  const plan = async (server: ApiHarness, accept?: string): Promise<Plan> => {
    const body = JSON.stringify({ files, ...(accept !== undefined && { accept }) });
    const response = await fetch(`${server.url}/api/v1/plans`, { method: 'POST', body });
    return Plan.parse(await response.json());
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-stored-plans-'));
    postgres = await startPostgres();
    url = await postgres.createDatabase();
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    for (const ledger of ledgers) await ledger.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are accepted at every hub, and hold no text of the change', async () => {
    const [first, second] = [await start(), await start()];
    await fillLedger(first.ledger);
    const { id, result } = await plan(first);
    expect([result, id]).toEqual(['Breaks', expect.stringMatching(/^[0-9a-f]{24}$/)]);
    const read = () => fetch(`${second.url}/api/v1/plans/${id}`);
    await eventually(async () => (await read()).status === 200);
    expect(StoredPlan.parse(await (await read()).json())).toMatchObject({ id, workloads: [{ cluster: 'eu' }, { cluster: 'us' }] });
    // Each hub reads the commit in force by itself.
    await second.ledger.setDesired((await first.ledger.desired()) ?? expect.unreachable());
    expect(await plan(second, `${id}`)).toMatchObject({ result: 'Accepted', id, acceptance: { plan: id, beyond: [] } });
    await plan(first, SECRET);

    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows: tables } = await client.query("select table_name as name from information_schema.tables where table_schema = 'public'");
    const texts: string[] = [];
    for (const { name } of tables) texts.push(JSON.stringify((await client.query(`select * from "${name}"`)).rows));
    await client.end();
    expect([texts.join().includes(`${id}`), texts.join().includes(SECRET)]).toEqual([true, false]);
  });
});
