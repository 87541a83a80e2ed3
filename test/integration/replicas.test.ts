import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { type GitServer, startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { startTcpProxy } from '../harness/tcp-proxy.ts';
import { printMs, waitFor } from '../harness/waiting.ts';

const TOKENS = new Map([
  ['eu', 'token-of-eu-0123456789'],
  ['us', 'token-of-us-0123456789'],
  ['retired', 'token-of-retired-0123'],
]);
const LEADS = 'this hub leads';

let folder: string;
let databaseUrl: string;
let env: Record<string, string>;
let git: GitServer;
let repository: GitRepository;
let postgres: TestPostgres;
const hubs: HubProcess[] = [];
const ADMIN = 'admin-token-0123456789';
const clientOf = (hub: HubProcess, token: string = ADMIN): HubClient => createHubClient({ server: hub.url, token });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-replicas-'));
  git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  await repository.commit(basicRepository(), 'first');
  postgres = await startPostgres();
  databaseUrl = await postgres.createDatabase();
  env = {
    DATABASE_URL: databaseUrl,
    FSO_AUDIT_KEY_FILE: join(folder, 'audit-key.pem'),
    FSO_GIT_POLL_MS: '60000',
    FSO_API_TOKEN: ADMIN,
  };
  for (const name of ['a', 'b'])
    hubs.push(await createHubProcess({ name, folder: join(folder, name), gitUrl: git.url('policies.git'), tokens: TOKENS, env }));
  // One after the other, so that the test knows the leader.
  for (const hub of hubs) await hub.start();
  await waitFor(() => expect(hubs.map((hub) => hub.logged(LEADS))).toEqual([true, false]));
});
afterAll(async () => {
  for (const hub of hubs) await hub.stop();
  await postgres.stop();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Resolves with the first matching live event of a hub. */
const liveEvent = async (hub: HubProcess, wanted: (text: string) => boolean, opened: () => Promise<void>): Promise<void> => {
  const stop = new AbortController();
  let begun: Promise<void> | undefined;
  const onOpen = (): void => {
    begun = opened();
  };
  for await (const event of clientOf(hub).stream({ onOpen }, stop.signal)) if (wanted(JSON.stringify(event))) break;
  stop.abort();
  await begun;
};

describe('two hubs on one PostgreSQL', () => {
  const [a, b] = [() => hubs[0] as HubProcess, () => hubs[1] as HubProcess];

  it('show a report to one in the data and the live events of the other', async () => {
    const stream = await connectStream(b().agentUrl, TOKENS.get('eu') ?? '', 'eu');
    stream.hello();
    await waitFor(async () => expect((await clientOf(a()).cluster('eu')).connection).toBe('Connected'));
    let sent = 0;
    const send = async (): Promise<void> => {
      const policies = [policyReport('finance', { phase: 'Failed', message: 'reported to b' })];
      sent = performance.now();
      stream.send({ type: 'report', seq: 1, full: true, policies, removed: [], events: [] });
      await stream.next('reported');
    };
    await liveEvent(a(), (text) => text.includes('"event":"policy"') && text.includes('finance'), send);
    printMs('report to one hub → live event of the other', performance.now() - sent);
    const [policy] = await clientOf(a()).policies({ cluster: 'eu' });
    expect(policy?.clusters.find(({ cluster }) => cluster === 'eu')?.report?.message).toBe('reported to b');
    stream.close();
    await waitFor(async () => expect((await clientOf(a()).cluster('eu')).connection).toBe('Disconnected'));
  });

  it('answer for a conforming policy from an agent with its stream at the other', async () => {
    const stream = await connectStream(b().agentUrl, TOKENS.get('eu') ?? '', 'eu');
    stream.hello();
    await stream.next('welcome');
    const namespaces = Array.from({ length: 3_000 }, (_, index) => `namespace-with-a-long-name-${index}`);
    const told = policyReport('finance', { message: 'told now', namespaces });
    const { lastUpdated: _time, ...short } = policyReport('finance', { namespaces });
    stream.send({ type: 'report', seq: 900, full: true, policies: [short], removed: [], events: [] });
    await stream.next('reported');
    const answering = stream.next('inspect').then(({ id }) => stream.send({ type: 'inspected', id, report: told }));
    const detail = (hub: HubProcess) => clientOf(hub).policyDetail('finance', 'eu');
    await waitFor(async () => expect((await clientOf(a()).policy('finance')).clusters[0]?.report?.namespaces).toHaveLength(3_000));
    expect(await detail(a())).toEqual({ cluster: 'eu', fresh: true, report: told, changed: told.lastUpdated, source: 'agent' });
    await answering;
    // It does not answer any more.
    expect(await detail(a())).toMatchObject({ source: 'none', report: { message: '' } });
    stream.close();
    await stream.closed;
    await waitFor(async () => expect(await detail(a())).toMatchObject({ fresh: false, source: 'none' }));
  });

  it('ignore an old stream at one once the agent has a stream at the other', async () => {
    const seen = async () => {
      const { report, ...cluster } = await clientOf(b()).cluster('eu');
      const [policy] = await clientOf(b()).policies({ cluster: 'eu' });
      const message = policy?.clusters.find((each) => each.cluster === 'eu')?.report?.message;
      return [cluster.connection, message];
    };
    const say = (stream: StreamClient, seq: number, full: boolean, message: string): void =>
      stream.send({
        type: 'report',
        seq,
        full,
        policies: [policyReport('finance', { phase: 'Failed', message })],
        removed: [],
        events: [],
      });
    const left = await connectStream(a().agentUrl, TOKENS.get('eu') ?? '', 'eu');
    left.hello();
    say(left, 1, true, 'old');
    await left.next('reported');
    const stream = await connectStream(b().agentUrl, TOKENS.get('eu') ?? '', 'eu');
    stream.hello();
    say(stream, 1, true, 'new');
    await stream.next('reported');
    // Like a delta that was in flight, or waited for the database, when the agent changed hubs.
    say(left, 2, false, 'late');
    expect(await left.closed).toEqual({ code: 4409, reason: 'the same cluster connected again' });
    expect(await seen()).toEqual(['Connected', 'new']);
    say(stream, 2, false, 'newest');
    await stream.next('reported');
    expect(await seen()).toEqual(['Connected', 'newest']);
    stream.close();
    await waitFor(async () => expect((await clientOf(a()).cluster('eu')).connection).toBe('Disconnected'));
  });

  it('fetch after a webhook to either', async () => {
    const revision = await repository.commit({ 'policies/it.yaml': policyFile('it') }, 'a hint');
    const pushed = performance.now();
    await fetch(`${b().url}/api/v1/webhooks/git`, { method: 'POST' });
    for (const hub of [a(), b()]) await waitFor(async () => expect((await clientOf(hub).source()).revision?.revision).toBe(revision));
    // The follower shows the leader's records; both have compiled the commit.
    for (const hub of [a(), b()])
      await waitFor(async () => expect((await clientOf(hub).policies()).map(({ name }) => name)).toContain('it'));
    printMs('webhook to one hub → both have compiled the commit', performance.now() - pushed);
    // The leader writes its progress, and both show it.
    for (const hub of [a(), b()]) await waitFor(async () => expect((await clientOf(hub).commit(revision)).changes.added).toEqual(['it']));
    expect((await clientOf(b()).commits()).filter(({ commit }) => commit.revision === revision)).toHaveLength(1);
  });

  it('drop a retired cluster that either forgets, which may come back', async () => {
    const join = async () => {
      const stream = await connectStream(b().agentUrl, TOKENS.get('retired') ?? '', 'retired');
      stream.hello();
      stream.send({ type: 'report', seq: 1, full: true, policies: [policyReport('finance')], removed: [], events: [] });
      await stream.next('reported');
      return stream;
    };
    const stream = await join();
    await waitFor(() => expect(clientOf(a()).forgetCluster('retired')).rejects.toThrow('retired is connected'));
    stream.close();
    await waitFor(() => clientOf(a()).forgetCluster('retired'));
    await waitFor(() => expect(clientOf(b()).cluster('retired')).rejects.toThrow('There is no cluster retired'));
    const again = await join();
    await waitFor(async () => expect((await clientOf(a()).cluster('retired')).connection).toBe('Connected'));
    again.close();
  });

  it('accept a token of one at the other, until it is revoked there', async () => {
    const { token, view } = await clientOf(a()).createToken({ name: 'ci', role: 'viewer', expiresInDays: 1 });
    await waitFor(async () => expect((await clientOf(b(), token).clusters()).length).toBeGreaterThan(0));
    await clientOf(b()).revokeToken(view.id);
    await waitFor(() => expect(clientOf(a(), token).clusters()).rejects.toThrow(/token/));
    const actions = (await clientOf(a()).audit({ limit: 10 })).map(({ action }) => action);
    expect(actions.filter((action) => action.endsWith('-token'))).toEqual(['api.revoke-token', 'api.create-token']);
  });

  it('accept a session of one at the other, until it ends there', async () => {
    const [there, here] = [new URL(a().url), new URL(b().url)];
    const own = ({ origin }: URL) => ({ Origin: origin, 'X-FSO-CSRF': '1', 'Content-Type': 'application/json' });
    const signedIn = await fetch(new URL('/auth/token', there), {
      method: 'POST',
      headers: own(there),
      body: JSON.stringify({ token: ADMIN }),
    });
    const cookie = signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const statusAt = async (hub: URL) => (await fetch(new URL('/auth/session', hub), { headers: { Cookie: cookie } })).status;
    await waitFor(async () => expect(await statusAt(here)).toBe(200));
    const stream = await fetch(new URL('/api/v1/stream', there), { headers: { Cookie: cookie } });
    await fetch(new URL('/auth/logout', here), { method: 'POST', headers: { ...own(here), Cookie: cookie } });
    expect(await statusAt(here)).toBe(401);
    await expect(stream.text()).rejects.toThrow();
    expect(await statusAt(there)).toBe(401);
  });

  it('redeem a login link once, at either hub', async () => {
    const hubs = [new URL(a().url), new URL(b().url)];
    const press = (hub: URL, code: string): Promise<Response> =>
      fetch(new URL('/auth/link', hub), {
        method: 'POST',
        headers: { Origin: hub.origin },
        body: new URLSearchParams({ code }),
        redirect: 'manual',
      });
    for (const maker of [a(), b()]) {
      const { code } = await clientOf(maker).createLoginLink();
      const answers = await Promise.all([...hubs, ...hubs].map((hub) => press(hub, code)));
      expect(answers.map(({ status }) => status).sort()).toEqual([303, 400, 400, 400]);
    }
  });

  it('refuse changes by a token at a hub that was cut off for FSO_REVOCATION_MAX_AGE_MS', async () => {
    const database = new URL(databaseUrl);
    const network = await startTcpProxy({ host: database.hostname, port: Number(database.port || 5432) });
    Object.assign(database, { hostname: '127.0.0.1', port: String(network.port) });
    const cut = await createHubProcess({
      name: 'cut',
      folder: join(folder, 'cut'),
      gitUrl: git.url('policies.git'),
      tokens: TOKENS,
      env: { ...env, DATABASE_URL: database.href, FSO_REVOCATION_MAX_AGE_MS: '10000' },
    });
    await cut.start();
    const { token, view } = await clientOf(a()).createToken({ name: 'root', role: 'admin', expiresInDays: 1 });
    const statusOf = async (path: string, bearer = token): Promise<number> =>
      (await fetch(new URL(path, cut.url), { headers: { Authorization: `Bearer ${bearer}` } })).status;
    await waitFor(async () => expect(await statusOf('/api/v1/tokens')).toBe(200));
    network.cut();
    await clientOf(a()).revokeToken(view.id);
    await waitFor(async () => expect(await statusOf('/api/v1/tokens')).toBe(503));
    expect([await statusOf('/api/v1/status'), await statusOf('/api/v1/tokens', ADMIN)]).toEqual([200, 200]);
    network.mend();
    await waitFor(async () => expect(await statusOf('/api/v1/status')).toBe(401));
    await cut.stop();
    await network.close();
  });

  it('fail over when the leader is killed, and show no cluster as connected to the dead one', async () => {
    const stream = await connectStream(a().agentUrl, TOKENS.get('us') ?? '', 'us');
    stream.hello();
    await waitFor(async () => expect((await clientOf(b()).cluster('us')).connection).toBe('Connected'));
    const killed = performance.now();
    await a().kill();
    await waitFor(() => expect(b().logged(LEADS)).toBe(true));
    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    await fetch(`${b().url}/api/v1/webhooks/git`, { method: 'POST' });
    await waitFor(async () => expect((await clientOf(b()).source()).revision?.revision).toBe(second));
    await waitFor(async () => expect((await clientOf(b()).cluster('us')).connection).toBe('Disconnected'));
    printMs('leader killed → the other one has fetched a commit and shows who is gone', performance.now() - killed);
    // Reported once, by the leader of that time.
    const accepted = (await clientOf(b()).events({ limit: 500 })).filter(({ reason }) => reason === 'RevisionAccepted');
    expect(accepted.map(({ revision }) => revision === second)).toEqual([true, false, false]);
    // The desired revision follows, once it is compiled.
    const entriesOf = async (wanted: string) => (await clientOf(b()).audit({ limit: 500 })).filter(({ action }) => action === wanted);
    expect(await entriesOf('revision.accept')).toHaveLength(3);
    await waitFor(async () => expect(await entriesOf('desired.set')).toHaveLength(3));
    stream.close();
  });

  it('share the CA in the database once agents enrol; no other hub starts with a CA or an audit key of its own', async () => {
    const add = (name: string, change: Record<string, string>): Promise<HubProcess> =>
      createHubProcess({ name, folder: join(folder, name), gitUrl: git.url('policies.git'), tokens: TOKENS, env: { ...env, ...change } });
    const c = await add('c', { FSO_AGENT_TLS: 'on' });
    await c.start();
    await c.stop();
    const ca = join(folder, 'c', 'data', 'identity');
    const lost = await readFile(join(ca, 'ca.crt'), 'utf8');
    await rm(join(ca, 'ca.key'));
    await expect(c.start()).rejects.toThrow();
    // What the hub advises.
    const advice = /make an empty file (\S+) and start the hub/.exec(c.lastLines())?.[1] ?? '';
    await writeFile(advice, '');
    for (let starts = 0; starts < 2; starts += 1) {
      await c.start();
      await c.stop();
    }
    expect(await readFile(join(ca, 'ca.crt'), 'utf8')).not.toBe(lost);
    const d = await add('d', { FSO_AGENT_TLS: 'on' });
    await expect(d.start()).rejects.toThrow();
    expect(d.lastLines()).toContain('ca.crt and ca.key missing. Put back what is missing, from a backup or from another hub');
    const e = await add('e', { FSO_AUDIT_KEY_FILE: join(folder, 'other-key.pem') });
    await expect(e.start()).rejects.toThrow();
    expect(e.lastLines()).toContain('put that key back');
  });
});
