import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { type ReceiverServer, startReceiverServer } from '../../hub/alerts/testing/receiver-server.ts';
import { mountSecret } from '../../shared/runtime/testing/mounted-secret.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { startMailServer, type TestMailServer } from '../harness/mail-server.ts';
import { policyFile } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { eventually, HANG_MS } from '../harness/waiting.ts';

/** Names of the credentials in the Secret. */
type Credential = 'git' | 'api' | 'webhook' | 'database' | 'smtp' | 'hook' | 'tracker';

/**
 * A hub whose credentials are those of a Secret, as kubelet mounts it, replaced one after the
 * other.
 */
describe('a running hub whose credentials are rotated', () => {
  const opened = new AsyncDisposableStack();
  const git = { username: 'git', password: 'first-git-token' };
  const mailbox = { username: 'hub', password: 'first-smtp-password' };
  let secret: Record<Credential, string>;
  let folder: string;
  let hub: HubProcess;
  let repository: Awaited<ReturnType<typeof openGitRepository>>;
  let receivers: ReceiverServer;
  let mail: TestMailServer;
  let admin: pg.Client;

  const rotate = (change: Partial<typeof secret>): void => {
    secret = { ...secret, ...change };
    mountSecret(folder, secret);
  };
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${hub.url}${path}`, { ...init, headers: { authorization: `Bearer ${secret.api}`, 'content-type': 'application/json' } });
  const revision = async (): Promise<string | undefined> => {
    const source = (await (await call('/api/v1/source')).json()) as { revision: { revision: string } | null; error: unknown };
    return source.revision?.revision;
  };
  const commit = (region: string): Promise<string> =>
    repository.commit({ 'policies/finance.yaml': policyFile('finance', [region]) }, region);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-credentials-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startPostgres();
    opened.defer(() => postgres.stop());
    const database = new URL(await postgres.createDatabase());
    admin = new pg.Client({ connectionString: database.href });
    await admin.connect();
    opened.defer(() => admin.end());
    await admin.query("create role hub login superuser password 'first-database-password'");
    Object.assign(database, { username: 'hub', password: 'first-database-password' });
    const server = await startGitServer({ root: join(folder, 'repositories'), credentials: git });
    opened.defer(() => server.stop());
    await server.create('policies.git');
    const pushUrl = Object.assign(new URL(server.url('policies.git')), git);
    repository = await openGitRepository(join(folder, 'work'), pushUrl.href);
    receivers = opened.use(await startReceiverServer());
    mail = await startMailServer(mailbox);
    opened.defer(() => mail.stop());
    const file = (name: Credential): string => join(folder, name);
    secret = {
      git: git.password,
      api: 'first-api-token-0123',
      webhook: 'first-webhook-secret',
      database: database.href,
      smtp: mailbox.password,
      hook: 'first-signing-secret',
      tracker: `${receivers.url}/first`,
    };
    rotate({});
    const email = { host: '127.0.0.1', port: mail.port, tls: 'none', from: 'fso@example.com', to: ['ops@example.com'], username: 'hub' };
    const alerts = {
      receivers: [
        { name: 'mail', email: { ...email, passwordFile: file('smtp') } },
        { name: 'tickets', webhook: { urlFile: file('tracker'), secretFile: file('hook') } },
      ],
      route: { receiver: 'mail' },
    };
    mountSecret(join(folder, 'repositories'), { 'alerts.yaml': stringify(alerts) });
    hub = await createHubProcess({
      name: 'hub',
      folder: join(folder, 'hub'),
      gitUrl: server.url('policies.git'),
      tokens: new Map([['eu', 'token-of-eu-0123456789']]),
      env: {
        FSO_GIT_POLL_MS: '500',
        FSO_GIT_TOKEN_FILE: file('git'),
        FSO_API_TOKEN_FILE: file('api'),
        FSO_WEBHOOK_SECRET_FILE: file('webhook'),
        DATABASE_URL_FILE: file('database'),
        FSO_ALERTS_FILE: join(folder, 'repositories', 'alerts.yaml'),
      },
    });
    opened.defer(() => hub.stop());
    const first = await commit('eu-west-1');
    await hub.start();
    await eventually(async () => (await revision()) === first);
  });
  afterAll(() => opened.disposeAsync());

  it('fetches with the new Git token once the server has refused the one before', async () => {
    const second = await commit('eu-west-2');
    await eventually(async () => (await revision()) === second);
    git.password = 'second-git-token';
    const source = async (): Promise<string> => (await call('/api/v1/source')).text();
    await eventually(async () => /401/.test(await source()));
    rotate({ git: git.password });
    await eventually(async () => /"error":null/.test(await source()));
    expect(hub.logged('credential read again')).toBe(true);
  });

  it('accepts the new API token, and no longer the one before', async () => {
    const before = { headers: { authorization: `Bearer ${secret.api}` } };
    expect((await fetch(`${hub.url}/api/v1/status`, before)).status).toBe(200);
    rotate({ api: 'second-api-token-0123' });
    expect([(await call('/api/v1/status')).status, (await fetch(`${hub.url}/api/v1/status`, before)).status]).toEqual([200, 401]);
    // A token that would be refused at a start is refused here as well.
    mountSecret(folder, { ...secret, api: 'short' });
    expect((await call('/api/v1/status')).status).toBe(200);
    rotate({});
  });

  it('accepts webhooks that are signed with the new secret alone', async () => {
    const body = '{"ref":"refs/heads/main"}';
    const send = async (key: string): Promise<number> => {
      const signature = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`;
      const init = { method: 'POST', headers: { 'X-Hub-Signature-256': signature, 'X-GitHub-Event': 'push' }, body };
      return (await fetch(`${hub.url}/api/v1/webhooks/git`, init)).status;
    };
    const first = secret.webhook;
    expect(await send(first)).toBe(202);
    rotate({ webhook: 'second-webhook-secret' });
    expect([await send(first), await send(secret.webhook)]).toEqual([403, 202]);
  });

  it('opens each new connection to its database with the new user and password', async () => {
    const old = secret.database;
    const database = new URL(old).pathname.slice(1);
    /** Users and databases of all connections of the hub. */
    const sessions = async (): Promise<string> => {
      const query = "select distinct usename || '@' || datname as session from pg_stat_activity where application_name = 'fso-hub'";
      const { rows } = await admin.query(query);
      return rows.map(({ session }: { session: string }) => session).join();
    };
    /** Ends all connections of a user, and waits until the hub is ready with new ones. */
    const reconnects = async (from: string, to: string): Promise<void> => {
      // Waits for the end of each, which the activity would show until then.
      await admin.query('select pg_terminate_backend(pid, $2) from pg_stat_activity where usename = $1', [from, HANG_MS]);
      await eventually(async () => (await fetch(`${hub.url}/readyz`)).ok && (await sessions()) === `${to}@${database}`);
    };
    expect(await sessions()).toBe(`hub@${database}`);
    await admin.query("create role hub2 login superuser password 'second-database-password'");
    rotate({ database: Object.assign(new URL(old), { username: 'hub2', password: 'second-database-password' }).href });
    await admin.query('alter role hub nologin');
    await reconnects('hub', 'hub2');
    const token = JSON.stringify({ name: 'ci', role: 'viewer', expiresInDays: 1 });
    expect((await call('/api/v1/tokens', { method: 'POST', body: token })).status).toBe(201);
    // Another database is another ledger.
    mountSecret(folder, { ...secret, database: Object.assign(new URL(secret.database), { pathname: '/postgres' }).href });
    await reconnects('hub2', 'hub2');
    expect(hub.logged('credential is not usable; the one before stays in use')).toBe(true);
    rotate({});
  });

  it('notifies receivers with the new secrets', async () => {
    const test = async (receiver: string): Promise<{ delivered: boolean }> =>
      (await (await call('/api/v1/alerts/test', { method: 'POST', body: JSON.stringify({ receiver }) })).json()) as { delivered: boolean };
    const isSignedBy = (key: string): boolean => {
      const { headers, body } = receivers.received.at(-1) ?? expect.fail('nothing received');
      const signed = createHmac('sha256', key)
        .update(`${String(headers['x-fso-timestamp'])}.${body}`)
        .digest('hex');
      return headers['x-fso-signature'] === `sha256=${signed}`;
    };
    expect([await test('mail'), await test('tickets')]).toMatchObject([{ delivered: true }, { delivered: true }]);
    expect([receivers.received.at(-1)?.path, isSignedBy(secret.hook)]).toEqual(['/first', true]);
    mailbox.password = 'second-smtp-password';
    expect(await test('mail')).toMatchObject({ delivered: false });
    rotate({ smtp: mailbox.password, hook: 'second-signing-secret', tracker: `${receivers.url}/second` });
    expect([await test('mail'), await test('tickets')]).toMatchObject([{ delivered: true }, { delivered: true }]);
    expect([mail.mails.length, receivers.received.at(-1)?.path, isSignedBy('second-signing-secret')]).toEqual([2, '/second', true]);
  });
});
