import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterView, Page } from '@fso/shared/api';
import { groupDeviations, standingOf } from '@fso/shared/status';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import { openDatabase } from '../../hub/ledger/sql/database.ts';
import { baselineOf } from '../harness/baselines.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';

/** Heap that a container of 512 MiB leaves to Node.js. */
const HEAP = '--max-old-space-size=256';
/** Baseline with a list that no hub knows: a cluster may have 20,000 policies of such a list. */
const UNKNOWN = baselineOf('e'.repeat(64));

const local = (n: number, length: number) =>
  policyReport(`p${n}`, { namespace: 'a', managedBy: 'local', targetNamespace: `ns-${n}`, message: 'x'.repeat(length) });

const clustersOf = async ({ url }: HubProcess): Promise<ClusterView[]> =>
  ((await (await fetch(`${url}/api/v1/clusters?limit=500`)).json()) as Page<ClusterView>).items;

const clusterOf = async (hub: HubProcess, name: string): Promise<ClusterView | undefined> =>
  (await clustersOf(hub)).find((cluster) => cluster.name === name);

describe.each(['embedded', 'PostgreSQL'] as const)('a hub with little memory and a hostile agent (%s)', (kind) => {
  let folder: string;
  let hub: HubProcess;
  let env: Record<string, string>;
  let stopServer = async (): Promise<void> => undefined;
  let url: string | undefined;
  const streams: StreamClient[] = [];
  const connect = async (name: string): Promise<StreamClient> => {
    const stream = await connectStream(hub.agentUrl, `${name}-has-a-long-token`, name);
    streams.push(stream);
    stream.hello();
    await stream.greeted;
    return stream;
  };
  /** Sends reports one after the other; a hub that keeps the agent back is waited for. */
  const say = async (stream: StreamClient, frames: readonly Parameters<StreamClient['send']>[0][]): Promise<void> => {
    for (const frame of frames) {
      stream.send(frame);
      await Promise.race([stream.next('reported'), stream.closed]);
    }
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-quota-'));
    if (kind === 'PostgreSQL') {
      const server = await startPostgres();
      url = await server.createDatabase();
      stopServer = server.stop;
    }
    env = { FSO_DATA_DIR: join(folder, 'data'), ...(url !== undefined && { DATABASE_URL: url }) };
    const tokens = new Map(['evil', 'good'].map((name) => [name, `${name}-has-a-long-token`]));
    const gitUrl = 'http://127.0.0.1:9/nowhere.git';
    hub = await createHubProcess({ name: kind, folder, gitUrl, tokens, env: { ...env, NODE_OPTIONS: HEAP } });
    await hub.start();
  });
  afterAll(async () => {
    for (const stream of streams) stream.close();
    await hub.stop();
    await stopServer();
    await rm(folder, { recursive: true });
  });

  it('keeps as much of its report as the quota has room for, and all of other clusters', async () => {
    const [evil, good] = [await connect('evil'), await connect('good')];
    const nothing = { policies: [], removed: [], events: [] };
    const deviation = standingOf(policyReport('any', { phase: 'Failed' }));
    // 100,000 policies of a list, and 24 MB of reports of policies that were applied there.
    const names = (frame: number) => Array.from({ length: 10_000 }, (_, n) => [`p${frame}-${n}`, deviation] as const);
    const named = Array.from({ length: 10 }, (_, at) => ({
      type: 'report' as const,
      seq: at + 1,
      full: at === 0,
      baseline: UNKNOWN,
      deviations: groupDeviations(names(at)),
      ...nothing,
    }));
    const fat = Array.from({ length: 12 }, (_, at) => ({
      type: 'report' as const,
      seq: at + 11,
      full: false,
      baseline: UNKNOWN,
      ...nothing,
      policies: Array.from({ length: 64 }, (_, n) => local(64 * at + n, 32_000)),
    }));
    await say(evil, [...named, ...fat]);
    await say(good, [{ type: 'report', seq: 1, full: true, ...nothing, policies: [local(0, 10), local(1, 10)] }]);
    const kept = await clusterOf(hub, 'evil');
    expect(kept?.policies.total).toBeLessThanOrEqual(24_000);
    expect(kept?.notKept).toBeGreaterThan(70_000);
    expect(await clusterOf(hub, 'good')).toMatchObject({ notKept: null, policies: { total: 2, active: 2 } });
  });

  it('starts again with what it has kept, and forgets it without a hub', async () => {
    for (const stream of streams.splice(0)) stream.close();
    await hub.stop();
    await hub.start();
    expect((await clusterOf(hub, 'evil'))?.notKept).toBeGreaterThan(70_000);
    const refused = await runFso(['ledger', 'forget', 'evil', '--yes'], env);
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/another hub has the ledger|a hub works on this database/) });
    await hub.stop();
    if (url !== undefined) await expireHubs(url);
    expect(await runFso(['ledger', 'forget', 'evil', '--yes'], env)).toMatchObject({ code: 0 });
    await hub.start();
    expect((await clustersOf(hub)).map(({ name }) => name)).toEqual(['good']);
  });
});

/** Simulates that the hubs on a database stopped a while ago. */
const expireHubs = async (url: string): Promise<void> => {
  const database = await openDatabase({ url });
  await database.db.deleteFrom('replicas').execute();
  await database.close();
};
