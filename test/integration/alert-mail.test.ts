import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCa, issueServer } from '../../hub/identity/x509.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { startMailServer, type TestMailServer } from '../harness/mail-server.ts';

const API_TOKEN = 'static-token-0123456789';
const ACCOUNT = { username: 'hub', password: 'secret-of-the-mail-server' };

let folder: string;
let hub: HubProcess;
/** `trusted`: by a CA that the hub knows; `stranger`: by another one; `plain`: without TLS. */
let servers: Readonly<Record<'trusted' | 'stranger' | 'plain', TestMailServer>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-alert-mail-'));
  const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) };
  const [ca, stranger] = [await createCa('mail', validity), await createCa('stranger', validity)];
  servers = {
    trusted: await startMailServer({ ...ACCOUNT, tls: await issueServer(ca, ['127.0.0.1'], validity) }),
    stranger: await startMailServer({ ...ACCOUNT, tls: await issueServer(stranger, ['127.0.0.1'], validity) }),
    plain: await startMailServer(ACCOUNT),
  };
  const [caFile, passwordFile, alertsFile] = ['ca.pem', 'password', 'alerts.yaml'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(caFile, ca.cert);
  await writeFile(passwordFile, ACCOUNT.password, { mode: 0o600 });
  const receivers = Object.entries(servers).map(
    ([name, { port }]) =>
      `  - name: ${name}\n    email: {host: 127.0.0.1, port: ${port}, from: fso@example.com, to: [ops@example.com], username: hub, passwordFile: ${passwordFile}}\n`,
  );
  await writeFile(alertsFile, `receivers:\n${receivers.join('')}route: {receiver: trusted}\n`);
  const env = { FSO_API_TOKEN: API_TOKEN, FSO_ALERTS_FILE: alertsFile, NODE_EXTRA_CA_CERTS: caFile };
  const tokens = new Map([['eu', 'token-of-eu-0123456789']]);
  hub = await createHubProcess({ name: 'hub', folder, gitUrl: 'http://127.0.0.1:1/policies.git', tokens, env });
  await hub.start();
});
afterAll(async () => {
  await hub.stop();
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

const send = async (receiver: string) => {
  const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify({ receiver }) };
  return (await fetch(`${hub.url}/api/v1/alerts/test`, init)).json();
};

it('mail goes over TLS that the hub trusts', async () => {
  expect(await send('trusted')).toMatchObject({ delivered: true, answer: expect.stringContaining('250') });
  expect(servers.trusted.mails).toMatchObject([{ from: 'fso@example.com', to: ['ops@example.com'] }]);
});

it.each(['stranger', 'plain'] as const)('sends neither mail nor password to a server that is %s', async (name) => {
  const answer = await send(name);
  expect(answer).toMatchObject({ delivered: false });
  expect(JSON.stringify(answer)).not.toContain(ACCOUNT.password);
  expect(servers[name].mails).toEqual([]);
});
