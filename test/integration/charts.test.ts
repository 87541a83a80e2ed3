import { readFileSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ENROLMENT_SECRET, formatEnrolCommands, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CRD_KIND, DEPLOYMENT_KIND, type KindDescriptor, NAMESPACE_KIND, POD_KIND, SERVICE_ACCOUNT_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Outcome, runFso } from '../../hub/cli/testing/run-fso.ts';
import { loadHubConfig } from '../../hub/config/config.ts';
import { createAuthority } from '../../hub/identity/authority.ts';
import { loadAuditKey } from '../../hub/ledger/audit/key.ts';
import { startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import {
  agentWith,
  HUB_NAMESPACE,
  hubWith,
  OPENSHIFT_RELEASES,
  RELEASES,
  SEVERAL_HUBS,
  signer,
  TOKEN,
  umbrellaOf,
} from '../harness/chart-releases.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { CHARTS, Helm, makeUmbrella, type Release, readChartCrds } from '../harness/helm.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { mountedEnvironment, type Pod, podOf } from '../harness/pod-template.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { HELM_TOOL } from '../harness/tools.ts';
import { eventually, never } from '../harness/waiting.ts';

const SECRETS: KindDescriptor = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true };
const CLAIMS: KindDescriptor = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', plural: 'persistentvolumeclaims', namespaced: true };
const RBAC = 'rbac.authorization.k8s.io/v1';
const ROLES: KindDescriptor = { apiVersion: RBAC, kind: 'Role', plural: 'roles', namespaced: true };
const ROLE_BINDINGS: KindDescriptor = { apiVersion: RBAC, kind: 'RoleBinding', plural: 'rolebindings', namespaced: true };
const JOBS: KindDescriptor = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs', namespaced: true };

const isPod = (object: KubeObject): object is Pod => object.kind === 'Pod';

const ROOT = join(CHARTS, '..', '..');

let cluster: ClusterHarness;
let helm: Helm;
let shell: Shell;

/** The namespaces are made as docs/operate/install.md says. */
beforeAll(async () => {
  cluster = await ClusterHarness.start({ name: 'charts', gatekeeper: false }, never);
  helm = await Helm.open(cluster.folder, never);
  shell = await Shell.open(cluster, never, { tools: [HELM_TOOL], cwd: cluster.folder });
  for (const crd of await readChartCrds(never)) await cluster.client.apply(CRD_KIND, crd, { fieldManager: 'test' }, never);
  await using hub = await startApiHarness({ apiToken: 'a-token-of-this-test' });
  await shell.run(`${documentedCommands('docs/operate/install.md', 'hub-namespace')}
    export FSO_SERVER=${hub.url} FSO_TOKEN=a-token-of-this-test
    ${documentedCommands('docs/operate/install.md', 'agent-namespace')}`);
  return () => cluster.close();
});

describe.each(RELEASES)('%s', (_, release) => {
  it('causes no warning of Helm', () => helm.lint(release));

  it('runs as an unprivileged user on a read-only root file system, with a token of an hour only where it calls the API server', async () => {
    const { spec } = podOf(await helm.render(release));
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      terminationGracePeriodSeconds: 30,
    });
    const tokens = [...JSON.stringify(spec.volumes).matchAll(/"serviceAccountToken":\{[^}]*"expirationSeconds":(\d+)/g)].map(
      ([, seconds]) => seconds,
    );
    expect(tokens).toEqual(release.chart === 'fso-agent' ? ['3600'] : []);
    for (const container of spec.containers)
      expect(container).toMatchObject({
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '500m', memory: '512Mi' } },
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      });
  });
});

describe('in a cluster', () => {
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/warn': 'restricted' };
    for (const name of [SYSTEM_NAMESPACE, HUB_NAMESPACE])
      await cluster.client.apply(NAMESPACE_KIND, { metadata: { name, labels } }, { fieldManager: 'test' }, never);
  });

  it.each([...RELEASES, ...OPENSHIFT_RELEASES])(
    '%s is admitted under Pod Security restricted, its pods and hooks too',
    async (_, release) => {
      const objects = [...(await helm.render(release)), ...(await helm.hooks(release))];
      const pods = [{ ...podOf(objects), metadata: { name: 'trial', namespace: release.namespace } }, ...objects.filter(isPod)];
      // What these name is among the objects, and not made by a dry run.
      const trials = pods.map(({ spec, ...pod }) => ({
        ...pod,
        spec: { ...spec, serviceAccountName: 'default', priorityClassName: undefined },
      }));
      for (const object of [...objects.filter((one) => !isPod(one)), ...trials]) {
        const kind = await eventually(() => cluster.kindOf(object));
        const { warnings } = await cluster.client.apply(kind, object, { fieldManager: 'test', dryRun: true }, never);
        expect([object.kind, object.metadata.name, warnings]).toEqual([object.kind, object.metadata.name, []]);
      }
    },
  );

  const podsOf = async (release: Release): Promise<number> => {
    const options = { namespace: release.namespace, labelSelector: `app.kubernetes.io/name=${release.chart}` };
    return (await cluster.client.list(POD_KIND, options, never)).length;
  };
  const secretOf = async (namespace: string, name: string): Promise<Record<string, string>> => {
    const secret = await cluster.client.get(SECRETS, { namespace, name }, never);
    const { data = {} } = secret as { data?: Record<string, string> };
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  };
  const expectUsableKeys = async ({ 'ca.crt': cert = '', 'ca.key': key = '', ...others }: Record<string, string>): Promise<void> => {
    const { bundle, expires } = createAuthority({ cert, key });
    expect([bundle, expires.getTime() > Date.now()]).toEqual([cert, true]);
    const file = join(cluster.folder, 'audit-key');
    await writeFile(file, others['audit-key.pem'] ?? '');
    expect((await loadAuditKey(file)).id).toHaveLength(43);
  };

  it('installs, upgrades and rolls back both by the commands of docs/operate/install.md and upgrade.md', async () => {
    const page = readFileSync(join(ROOT, 'docs/operate/install.md'), 'utf8');
    const files = [...page.matchAll(/^```yaml\n# (\w+\.yaml)\n(.*?)^```/gms)].map(([, name = '', values = '']) => ({ name, values }));
    expect(files.map(({ name }) => name)).toEqual(['hub.yaml', 'agent.yaml']);
    await symlink(join(ROOT, 'deploy'), join(cluster.folder, 'deploy'));
    for (const { name, values } of files) await writeFile(join(cluster.folder, name), values);
    await shell.run(documentedCommands('docs/operate/install.md', 'hub'));
    await shell.run(documentedCommands('docs/operate/install.md', 'agent'));
    await eventually(async () => (await podsOf(hubWith())) === 1 && (await podsOf(agentWith())) === 2);
    const agentFile = join(cluster.folder, 'agent.yaml');
    await writeFile(agentFile, `${await readFile(agentFile, 'utf8')}replicas: 3\n`);
    await shell.run(documentedCommands('docs/operate/upgrade.md', 'upgrade'));
    await eventually(async () => (await podsOf(agentWith())) === 3);
    await shell.run(documentedCommands('docs/operate/upgrade.md', 'rollback'));
    await eventually(async () => (await podsOf(agentWith())) === 2);
  });

  it('Prometheus gets a token by the commands of docs/operate/monitor.md, with which it reads metrics and changes nothing', async () => {
    await using hub = await startApiHarness({ apiToken: 'a-token-of-this-test' });
    await shell.run(`export FSO_SERVER=${hub.url} FSO_TOKEN=a-token-of-this-test
      ${documentedCommands('docs/operate/monitor.md', 'metrics-token')}`);
    const { token = '' } = await secretOf(HUB_NAMESPACE, 'fso-metrics');
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${hub.url}/metrics`, { headers })).status).toBe(200);
    expect((await fetch(`${hub.url}/api/v1/tokens`, { method: 'POST', headers })).status).toBe(403);
  });

  it('the agent is installed by the commands that the hub prints for its cluster', async () => {
    await helm.uninstall(agentWith(), cluster.kubeconfig);
    await writeFile(join(cluster.folder, 'signers'), signer());
    const agentUrl = 'wss://[2001:db8::1]:8443';
    const commands = formatEnrolCommands({ cluster: 'apac', agentUrl })
      .replace('REGISTRY', 'registry.example.com')
      .replace('PLATFORM', 'gke')
      .replace('ALLOWED_SIGNERS', 'signers');
    // In zsh, too, a pattern that matches no file is an error.
    await shell.run(`shopt -s failglob\n{ ${commands}\n} <<'END'\n${TOKEN}\nEND`);
    const { token = '' } = await secretOf(SYSTEM_NAMESPACE, ENROLMENT_SECRET);
    expect(token.trim()).toBe(TOKEN);
    const deployment = await cluster.client.get(DEPLOYMENT_KIND, { namespace: SYSTEM_NAMESPACE, name: 'fso-agent' }, never);
    expect(podOf([deployment ?? expect.fail('no Deployment')]).spec.containers).toMatchObject([
      {
        image: expect.stringMatching(/^registry\.example\.com\/fso-agent:/),
        env: expect.arrayContaining([
          { name: 'FSO_CLUSTER', value: 'apac' },
          { name: 'FSO_HUB_URL', value: agentUrl },
          { name: 'FSO_SIGNERS_FILE', value: expect.any(String) },
        ]),
      },
    ]);
  });

  it('the Secrets of the pages for operators are rotated, read and made by their commands', async () => {
    await shell.run(documentedCommands('docs/operate/run-the-hub.md', 'rotate').replace('token=…', 'token=rotated'));
    expect(await secretOf(HUB_NAMESPACE, 'fso-git')).toEqual({ token: 'rotated' });
    await using hub = await startApiHarness({ apiToken: await secretOf(HUB_NAMESPACE, 'fso-api').then(({ token = '' }) => token) });
    const login = documentedCommands('docs/operate/people-and-programs.md', 'api-token');
    expect(await shell.run(`export FSO_SERVER=${hub.url}\n${login}\nfso whoami`)).toContain('admin');
    await shell.run(documentedCommands('docs/operate/install.md', 'pull-secret'));
    expect(await secretOf(SYSTEM_NAMESPACE, 'registry')).toHaveProperty(['.dockerconfigjson']);
  });

  it('the images of both charts are those that docs/operate/install.md lists', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const images = ['fso-hub', 'fso-agent'].map((name) => `image: registry.example.com/${name}:${version}`);
    expect((await shell.run(documentedCommands('docs/operate/install.md', 'images'))).trim().split('\n')).toEqual(images);
  });

  it('accepts keys that docs/operate/install.md makes', async () => {
    await shell.run(documentedCommands('docs/operate/install.md', 'keys'));
    await expectUsableKeys(await secretOf(HUB_NAMESPACE, 'fso-keys'));
  });

  it('makes keys for several hubs once by a Job whose right shows it no Secret', async () => {
    const hooks = await helm.hooks(SEVERAL_HUBS);
    for (const object of hooks.filter(({ kind }) => kind !== 'Job'))
      await cluster.client.apply(await cluster.kindOf(object), object, { fieldManager: 'test' }, never);
    const [container] = podOf([hooks.find(({ kind }) => kind === 'Job') ?? expect.fail('no Job')]).spec.containers;
    const kubeconfig = await cluster.cluster.createUserKubeconfig(`system:serviceaccount:${HUB_NAMESPACE}:fso-hub-keys`);
    const create = (): Promise<Outcome> => runFso([...(container?.args ?? []), '--namespace', HUB_NAMESPACE], { KUBECONFIG: kubeconfig });
    const keys = () => secretOf(HUB_NAMESPACE, 'fso-hub-keys');
    expect(await eventually(async () => (await create().then(({ code, out }) => code === 0 && out)) || undefined)).toMatch(/^made /);
    const made = await keys();
    await expectUsableKeys(made);
    expect(await create()).toMatchObject({ code: 0, out: expect.stringContaining('stays as it is') });
    expect(await keys()).toEqual(made);
    const job = openKubeClient({ kubeconfig });
    expect(await refusalOf(job.get(SECRETS, { namespace: HUB_NAMESPACE, name: 'fso-hub-keys' }, never))).toMatch(/forbidden/);
    await job.close();
    const env = await mountedEnvironment(
      await helm.render(SEVERAL_HUBS),
      { 'fso-hub-keys': made, api: { token: 'a-token-of-this-test' }, database: { url: 'postgresql://database' } },
      cluster.folder,
    );
    expect(await loadHubConfig(env)).toMatchObject({
      identity: { ca: { cert: made['ca.crt'], key: made['ca.key'] }, hostnames: ['fso-hub-agents.fso.svc'] },
      auditKeyFile: join(String(env['FSO_KEYS_DIR']), 'audit-key.pem'),
      listen: { port: 8080 },
    });
  });

  it('keeps keys over install, upgrade and uninstall, in no release and without the rights of their Job', async () => {
    const before = await secretOf(HUB_NAMESPACE, 'fso-hub-keys');
    const names = async (kind: KindDescriptor): Promise<readonly string[]> =>
      (await cluster.client.list(kind, { namespace: HUB_NAMESPACE }, never)).map(({ metadata }) => metadata.name);
    await helm.uninstall(hubWith(), cluster.kubeconfig);
    // The pods of a Job end by themselves here.
    await helm.install(SEVERAL_HUBS, cluster.kubeconfig);
    await eventually(async () => (await podsOf(SEVERAL_HUBS)) === 2);
    await helm.install({ ...SEVERAL_HUBS, values: { ...SEVERAL_HUBS.values, podAnnotations: { changed: 'true' } } }, cluster.kubeconfig);
    expect(await secretOf(HUB_NAMESPACE, 'fso-hub-keys')).toEqual(before);
    for (const kind of [SERVICE_ACCOUNT_KIND, ROLES, ROLE_BINDINGS, JOBS]) expect(await names(kind)).not.toContain('fso-hub-keys');
    const releases = (await names(SECRETS)).filter((name) => name.startsWith('sh.helm.release.v1.fso-hub.'));
    expect(releases).toHaveLength(2);
    for (const name of releases) {
      const { release = '' } = await secretOf(HUB_NAMESPACE, name);
      const text = gunzipSync(Buffer.from(release, 'base64')).toString();
      expect(text).toContain('"name":"fso-hub"');
      for (const key of Object.values(before)) expect(text).not.toContain(JSON.stringify(key).slice(1, -1));
      expect(text).not.toContain('PRIVATE KEY');
    }
    await helm.uninstall(SEVERAL_HUBS, cluster.kubeconfig);
    expect(await secretOf(HUB_NAMESPACE, 'fso-hub-keys')).toEqual(before);
  });

  it("adopts the keys of an earlier release's Secret, and makes its own without one", async () => {
    const secrets = { api: { token: 'a-token-of-this-test' } };
    const kept = await secretOf(HUB_NAMESPACE, 'fso-hub-keys');
    const objects = await helm.render(hubWith());
    const withSecret = await loadHubConfig(await mountedEnvironment(objects, { ...secrets, 'fso-hub-keys': kept }, cluster.folder));
    expect(withSecret.identity?.ca).toEqual({ cert: kept['ca.crt'], key: kept['ca.key'] });
    const without = await loadHubConfig(await mountedEnvironment(objects, secrets, cluster.folder));
    expect([without.identity?.ca, without.auditKeyFile]).toEqual([undefined, join(without.dataDir, 'audit-key.pem')]);
  });

  it('the pod of docs/operate/ledger.md is admitted, and has what restores the ledger of the chart', async () => {
    const page = readFileSync(join(ROOT, 'docs/operate/ledger.md'), 'utf8');
    const [, text = ''] = /^ {3}```yaml\n {3}(# restore\.yaml\n.*?)^ {3}```/ms.exec(page) ?? [];
    const pod = parse(text) as Pod;
    const { warnings } = await cluster.client.apply(await cluster.kindOf(pod), pod, { fieldManager: 'test', dryRun: true }, never);
    expect(warnings).toEqual([]);
    const backups = hubWith({ backup: { enabled: true } });
    const claims = [...JSON.stringify(pod.spec.volumes).matchAll(/"claimName":"([^"]+)"/g)].map(([, name]) => name);
    expect(claims).toEqual(['data-fso-hub-0', 'fso-hub-backup']);
    expect(pod.spec.containers[0]).toMatchObject({
      args: ['restore', '--replace', expect.stringMatching(/^\/backup\/ledger-\d{8}T\d{9}Z\.jsonl\.gz$/)],
      env: [{ name: 'FSO_DATA_DIR', value: '/data' }],
    });
    await helm.install(backups, cluster.kubeconfig);
    await eventually(async () => (await podsOf(backups)) === 1);
    await shell.run(documentedCommands('docs/operate/ledger.md', 'stop'));
    await eventually(async () => (await podsOf(backups)) === 0);
    await helm.uninstall(backups, cluster.kubeconfig);
    const kept = await cluster.client.get(CLAIMS, { namespace: HUB_NAMESPACE, name: 'fso-hub-backup' }, never);
    expect(kept?.metadata.name).toBe('fso-hub-backup');
  });

  it('the hub is installed as a part of another chart', async () => {
    const release = umbrellaOf(makeUmbrella(cluster.folder));
    await helm.install(release, cluster.kubeconfig);
    await eventually(async () => (await podsOf(hubWith())) === 1);
    await helm.uninstall(release, cluster.kubeconfig);
    await eventually(async () => (await podsOf(hubWith())) === 0);
  });
});
