import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { type GitServer, startGitServer } from '../../clusters/demo/git-server.ts';
import { type ReceiverServer, startReceiverServer } from '../../hub/alerts/testing/receiver-server.ts';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import {
  type AvoidedAddress,
  type ConnectProxy,
  makeTestCa,
  startAvoidedAddress,
  startConnectProxy,
  startTlsFront,
  type TestCa,
} from '../harness/connect-proxy.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { CLIENT_ID, CLIENT_SECRET, startIdentityProvider } from '../harness/identity-provider.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually, never } from '../harness/waiting.ts';

const API_TOKEN = 'static-token-0123456789';
const CLUSTER = 'proxied';

/**
 * A hub and an agent whose only way to each other, and to Git, identity provider and receivers, is
 * a proxy. Connections to the addresses that they ask it for are counted; the name of the receivers
 * is one that no name service knows.
 */
describe('a hub and an agent behind an HTTP proxy', () => {
  const opened = new AsyncDisposableStack();
  let world: ClusterHarness;
  let hub: HubProcess;
  let agent: AgentProcess;
  let proxy: ConnectProxy;
  const account = { user: 'fso', password: 'p@ss word' };
  let urlFileOfProxy: string;
  let alerts: ReceiverServer;
  let git: GitServer;
  let repository: Awaited<ReturnType<typeof openGitRepository>>;
  let access: { FSO_SERVER: string; FSO_TOKEN: string };

  const avoided: AvoidedAddress[] = [];
  const hosts: Record<string, number> = {};
  /** Addresses by what is behind the proxy's tunnels to them. */
  const at = { git: '', idp: '', hub: '', alerts: 'alerts.test:443' };

  const avoid = async (): Promise<string> => {
    const one = opened.use(await startAvoidedAddress());
    avoided.push(one);
    return one.address;
  };
  const dials = (): number => avoided.reduce((sum, one) => sum + one.dials, 0);
  /** Lets the proxy reach a server of this machine, by TLS, at an address. */
  const publish = async (ca: TestCa, address: string, port: number): Promise<void> => {
    const [host = ''] = address.split(':');
    hosts[address] = opened.use(await startTlsFront(port, await ca.issue(host))).port;
  };

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: CLUSTER, gatekeeper: false }, never);
    opened.defer(() => world.close());
    const { folder } = world;
    [at.git, at.idp, at.hub] = [await avoid(), await avoid(), await avoid()];
    const ca = await makeTestCa();
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, ca.cert);
    git = await startGitServer({ root: join(folder, 'repositories') });
    opened.defer(() => git.stop());
    await git.create('policies.git');
    repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
    await repository.commit(
      { 'clusters/proxied.yaml': clusterFile(CLUSTER, ['eu-west-1']), 'policies/finance.yaml': policyFile('finance') },
      'first',
    );
    alerts = opened.use(await startReceiverServer());
    const idp = await startIdentityProvider({
      issuer: `https://${at.idp}`,
      people: {},
      redirectUris: ['https://hub.example/auth/callback'],
    });
    opened.defer(() => idp.stop());
    const urlFile = join(folder, 'webhook-url');
    await writeFile(urlFile, `https://${at.alerts}/hook`);
    const alertsFile = join(folder, 'alerts.yaml');
    await writeFile(alertsFile, `receivers: [{name: chat, slack: {urlFile: ${urlFile}}}]\nroute: {receiver: chat}\n`);
    await publish(ca, at.git, git.port);
    await publish(ca, at.idp, idp.port);
    await publish(ca, at.alerts, Number(new URL(alerts.url).port));
    proxy = opened.use(await startConnectProxy(Object.assign(account, { certificate: await ca.issue('localhost'), hosts })));
    urlFileOfProxy = join(folder, 'proxy-url');
    await writeFile(urlFileOfProxy, proxy.url);
    const way = { HTTPS_PROXY_FILE: urlFileOfProxy, NODE_EXTRA_CA_CERTS: caFile };
    hub = await createHubProcess({
      name: 'hub',
      folder: join(folder, 'hub'),
      gitUrl: `https://${at.git}/policies.git`,
      tokens: new Map([['unused', 'token-of-none-0123456789']]),
      env: {
        ...way,
        FSO_AGENT_TLS: 'on',
        FSO_AGENT_HOSTNAMES: at.hub.split(':')[0] ?? '',
        FSO_API_TOKEN: API_TOKEN,
        FSO_ALERTS_FILE: alertsFile,
        FSO_GIT_POLL_MS: '1000',
        FSO_OIDC_ISSUER: idp.issuer,
        FSO_OIDC_CLIENT_ID: CLIENT_ID,
        FSO_OIDC_CLIENT_SECRET: CLIENT_SECRET,
        FSO_OIDC_ROLE_MAP: 'admin=admins',
        FSO_PUBLIC_URL: 'https://hub.example',
      },
    });
    opened.defer(() => hub.stop());
    await hub.start();
    access = { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN };
    hosts[at.hub] = Number(new URL(hub.agentUrl).port);
    await inForce();
    const token = await runFso(['clusters', 'token', CLUSTER, '-o', 'json'], access);
    agent = await startAgentProcess(world.cluster, {
      folder,
      env: { ...way, FSO_HUB_URL: `wss://${at.hub}`, FSO_ENROLL_TOKEN: (JSON.parse(token.out) as { token: string }).token },
    });
    opened.defer(() => agent.stop());
  });
  afterAll(() => opened.disposeAsync());

  /** Waits until the hub has taken the newest commit. */
  const inForce = (revision?: string): Promise<unknown> =>
    eventually(async () => {
      const response = await fetch(`${hub.url}/api/v1/source`, { headers: { authorization: `Bearer ${API_TOKEN}` } });
      const { revision: found } = (await response.json()) as { revision: { revision: string } | null };
      return revision === undefined ? found !== null : found?.revision === revision;
    });
  const connected = (): Promise<boolean> => runFso(['get', 'clusters', '-o', 'json'], access).then(({ out }) => /"Connected"/.test(out));

  const canAlert = async (): Promise<boolean> => (await runFso(['alerts', 'test', 'chat'], access)).code === 0;
  const login = (): Promise<Response> => fetch(`${hub.url}/auth/login`, { redirect: 'manual' });
  const fetchError = async (): Promise<string | null> => {
    const response = await fetch(`${hub.url}/api/v1/source`, { headers: { authorization: `Bearer ${API_TOKEN}` } });
    return ((await response.json()) as { error: string | null }).error;
  };

  it('reach Git, each other by enrolment and stream, receivers and identity provider through it', async () => {
    await eventually(connected);
    expect(await canAlert()).toBe(true);
    expect(alerts.received.map(({ path }) => path)).toContain('/hook');
    const { status, headers } = await login();
    expect([status, headers.get('location')]).toEqual([302, expect.stringContaining(`https://${at.idp}/`)]);
    expect(new Set(proxy.tunnels)).toEqual(new Set(Object.values(at)));
    // The CA, the certificate, and the stream.
    expect(proxy.tunnels.filter((target) => target === at.hub).length).toBeGreaterThanOrEqual(3);
    // Neither the API server nor anything else of this machine.
    expect(proxy.refused).toEqual([]);
    expect(dials()).toBe(0);
  });

  it('never dial directly while the proxy is away, and continue by themselves once it is back', async () => {
    await proxy.stop();
    await eventually(async () => !(await connected()));
    await eventually(fetchError);
    expect(await canAlert()).toBe(false);
    const revision = await repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-west-2']) }, 'second');
    expect(dials()).toBe(0);
    const tunnels = proxy.tunnels.length;
    await proxy.start();
    await inForce(revision);
    await eventually(connected);
    await eventually(canAlert);
    expect((await login()).status).toBe(302);
    expect(proxy.tunnels.slice(tunnels)).toEqual(expect.arrayContaining([at.git, at.hub, at.alerts]));
    expect(dials()).toBe(0);
    // As one that counts would be seen.
    await expect(fetch(`http://${at.git}`)).rejects.toThrow();
    expect(dials()).toBe(1);
  });

  it('take its new password from the file, and are not restarted', async () => {
    account.password = 'another p@ss';
    await proxy.stop();
    await proxy.start();
    await eventually(() => proxy.refused.some((refusal) => refusal.startsWith('407')));
    const before = proxy.tunnels.length;
    await writeFile(urlFileOfProxy, proxy.url);
    const revision = await repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-west-3']) }, 'third');
    await inForce(revision);
    await eventually(connected);
    await eventually(canAlert);
    expect(new Set(proxy.tunnels.slice(before))).toEqual(new Set([at.git, at.hub, at.alerts]));
  });

  it('keep its password out of logs and answers', async () => {
    for (const log of [join(world.folder, 'hub', 'hub.log'), join(world.folder, `agent-${CLUSTER}.log`)])
      expect(await readFile(log, 'utf8')).not.toMatch(/p@ss|p%40ss/);
  });
});
