import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { HUB_NAMESPACE } from '../harness/chart-releases.ts';
import { policyFile } from '../harness/policy-files.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { startTcpProxy } from '../harness/tcp-proxy.ts';
import { eventually } from '../harness/waiting.ts';
import { Images, imageOf, REGISTRY, VERSIONS } from './images.ts';
import { assertMachine } from './machine.ts';
import { RealCluster } from './real-cluster.ts';

/**
 * docs/operate/ledger.md on a real node: Jobs of the chart's CronJob write backups of a hub into a
 * volume, and a pod restores the newest one.
 */

const [VERSION] = VERSIONS;
const API_TOKEN = randomBytes(32).toString('hex');
const PAGE = 'docs/operate/ledger.md';

const opened = new AsyncDisposableStack();
let folder: string;
let cluster: RealCluster;
let hub: HubClient;
let shell: Shell;
/** Folder of the volume with the backups. */
let volume: string;
let kept: readonly string[];

/** Folder of the volume that a claim has got. */
const folderOf = async (claim: string): Promise<string> => {
  const path = `jsonpath={.items[?(@.spec.claimRef.name=="${claim}")].spec.local.path}`;
  return shell.run(`kubectl get persistentvolumes -o '${path}'`);
};
const backups = async (): Promise<string[]> => (await readdir(volume)).toSorted();
const tokens = async (): Promise<string[]> => (await hub.tokens()).map(({ name }) => name);
const createToken = (name: string): Promise<unknown> => hub.createToken({ name, role: 'viewer', expiresInDays: 1 });

beforeAll(async () => {
  await assertMachine();
  folder = await mkdtemp(join(tmpdir(), 'fso-deploy-backup-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const images = new Images(join('.fso', 'deploy', 'images'));
  const archive = await images.product('hub', VERSION);
  cluster = await RealCluster.start({ name: 'backup', number: 8, images });
  opened.defer(() => cluster.close());
  await cluster.node.importImage(archive);
  const git = await startGitServer({ root: join(folder, 'repositories') });
  opened.defer(() => git.stop());
  await git.create('policies.git');
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: git.port }, cluster.node.network.gateway);
  opened.defer(() => proxy.close());
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  await repository.commit({ 'policies/finance.yaml': policyFile('finance') }, 'first');
  shell = await Shell.open(cluster, cluster.signal);

  await cluster.makeRestrictedNamespace(HUB_NAMESPACE);
  await cluster.makeSecret(HUB_NAMESPACE, 'api', { token: API_TOKEN });
  await cluster.makeVolumes(2);
  await cluster.install({
    chart: 'fso-hub',
    namespace: HUB_NAMESPACE,
    values: {
      ...imageOf(VERSION),
      git: { url: `http://${cluster.node.network.gateway}:${proxy.port}/policies.git` },
      access: { apiTokenSecret: { name: 'api' } },
      agents: { hostnames: ['hub.example.com'] },
      // The test makes its Jobs itself.
      backup: { enabled: true, schedule: '@yearly', keep: 2 },
    },
  });
  hub = createHubClient({ server: `http://${await cluster.serviceAddress(HUB_NAMESPACE, 'fso-hub')}`, token: API_TOKEN });
});
afterAll(() => opened.disposeAsync());

it('a Job of the CronJob writes a backup into its volume, readable by its user alone', async () => {
  await createToken('early');
  expect(await shell.run(documentedCommands('docs/operate/ledger.md', 'job'))).toMatch(
    /ledger-\S+\.jsonl\.gz: 0 clusters, .*\nsha256 [0-9a-f]{64}\n/,
  );
  volume = await folderOf('fso-hub-backup');
  const [name = ''] = await backups();
  expect(name).toMatch(/^ledger-\d{8}T\d{9}Z\.jsonl\.gz$/);
  const { mode, uid } = await stat(join(volume, name));
  expect([(mode & 0o777).toString(8), uid]).toEqual(['600', 1000]);
});

it('later Jobs keep the newest ones', async () => {
  const [first = ''] = await backups();
  expect(await shell.run(documentedCommands('docs/operate/ledger.md', 'job'))).not.toContain('removed');
  expect(await shell.run(documentedCommands('docs/operate/ledger.md', 'job'))).toContain(`removed ${first}\n`);
  kept = await backups();
  expect(kept).toHaveLength(2);
  expect(kept).not.toContain(first);
});

it('a pod with both volumes restores the newest one', async () => {
  await createToken('late');
  const page = await readFile(join(import.meta.dirname, '..', '..', PAGE), 'utf8');
  const [, indent = '', block = ''] = /^( *)```yaml\n(\s*# restore\.yaml\n.*?)^ *```/ms.exec(page) ?? [];
  const pod = block
    .replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    .replace(/image: \S+/, `image: ${REGISTRY}/fso-hub:${VERSION}\n      imagePullPolicy: Never`)
    .replace(/ledger-\S+\.jsonl\.gz/, kept.at(-1) ?? '');
  await shell.run(documentedCommands('docs/operate/ledger.md', 'stop'));
  await eventually(async () => (await cluster.pods(HUB_NAMESPACE)).length === 0);
  const restored = await shell.run(`kubectl apply -f - <<'END'\n${pod}END\n${documentedCommands('docs/operate/ledger.md', 'restore')}`);
  expect(restored).toMatch(/the ledger that was there is now \/data\/ledger\.before-/);
  expect(restored).toContain('the audit log is intact');
  await cluster.rolledOut(HUB_NAMESPACE, 'fso-hub');
  const found = await eventually(tokens);
  expect(found).toContain('early');
  expect(found).not.toContain('late');
});
