import { join } from 'node:path';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProbeStream } from '../attacks/probe-stream.ts';
import type { Release } from '../harness/helm.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { createRandom, shuffled } from '../harness/random.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { UninstallView } from '../harness/uninstall-view.ts';
import { eventually } from '../harness/waiting.ts';
import { Images, imageOf, REGISTRY, VERSIONS } from './images.ts';
import { assertMachine } from './machine.ts';
import { RealCluster } from './real-cluster.ts';

/** A cluster with two agents and Gatekeeper, and no hub. */

const [FIRST, SECOND] = VERSIONS;
const INSIDE = 'eu-west-1';
const OUTSIDE = 'us-east-1';
const GOVERNED = 'finance';
/** About five seconds of probes. */
const PROBES = 100;
const ORDERS = Number(process.env['FSO_TEST_ORDERS'] ?? 20);

const agentOf = (version: string): Release => ({
  chart: 'fso-agent',
  namespace: SYSTEM_NAMESPACE,
  values: { cluster: 'one', ...imageOf(version) },
});

let cluster: RealCluster;
let shell: Shell;

beforeAll(async () => {
  await assertMachine();
  const images = new Images(join('.fso', 'deploy', 'images'));
  const archives = [await images.product('agent', FIRST), await images.product('agent', SECOND)];
  cluster = await RealCluster.start({ name: 'one', number: 1, region: INSIDE, images });
  for (const archive of archives) await cluster.node.importImage(archive);
  await cluster.installGatekeeper(images);
  shell = await Shell.open(cluster, cluster.signal);
});

afterAll(() => cluster?.close());

it('two agents run under Pod Security "restricted"', async () => {
  await cluster.makeRestrictedNamespace(SYSTEM_NAMESPACE);
  await cluster.install(agentOf(FIRST));
  expect((await cluster.pods(SYSTEM_NAMESPACE)).map(({ status }) => status?.phase)).toEqual(['Running', 'Running']);
});

it('a governed pod runs in an allowed region, and is refused elsewhere', async () => {
  await cluster.makeNamespace(GOVERNED);
  await eventually(() => cluster.applyPolicy(GOVERNED, { targetNamespace: GOVERNED, allowedRegions: [INSIDE] }));
  await cluster.reaches(GOVERNED, 'Active');
  expect(await cluster.createPod(GOVERNED, 'inside', INSIDE)).toBe('');
  await cluster.runs(GOVERNED, 'inside');
  expect(await cluster.createPod(GOVERNED, 'outside', OUTSIDE)).toContain(`allows regions ${INSIDE}`);
});

it('an upgrade and a rollback of the agents admit no pod that must be refused', async () => {
  const probes = new ProbeStream(cluster.client, GOVERNED);
  await probes.untilRefused(PROBES);
  await cluster.install(agentOf(SECOND));
  await probes.untilRefused(PROBES);
  await cluster.rollback(agentOf(SECOND));
  await probes.untilRefused(PROBES);
  await probes.stop();
  console.log(
    `upgrade and rollback: ${probes.refused} probes refused, ${probes.unanswered} without an answer, ${probes.admitted.length} admitted`,
  );
  expect(probes.admitted).toEqual([]);
  await cluster.reaches(GOVERNED, 'Active');
});

it('keeps what the release enforced in force without it', async () => {
  await cluster.uninstall(agentOf(FIRST));
  await eventually(async () => (await cluster.pods(SYSTEM_NAMESPACE)).length === 0);
  expect(await cluster.createPod(GOVERNED, 'afterwards', OUTSIDE)).toContain(`allows regions ${INSIDE}`);
});

/** The page's commands, with the image that the node has. */
const removeByPod = (): Promise<string> => {
  const commands = documentedCommands('docs/operate/upgrade.md', 'by-pod');
  return shell.run(commands.replace(/--image=\S+/, `--image=${REGISTRY}/fso-agent:${FIRST} --image-pull-policy=Never`));
};

describe('the command in the image removes the rest after any deletions, and holds no namespace', () => {
  it.each(Array.from({ length: ORDERS }, (_, index) => index + 1))('works after deletions in random order %d', async (order) => {
    const view = new UninstallView(cluster.client);
    await cluster.makeRestrictedNamespace(SYSTEM_NAMESPACE);
    await cluster.install(agentOf(FIRST));
    await eventually(() => cluster.makeNamespace(GOVERNED).then(() => true));
    await eventually(() => cluster.applyPolicy(GOVERNED, { targetNamespace: GOVERNED, allowedRegions: [INSIDE] }));
    await cluster.reaches(GOVERNED, 'Active');
    const targets = [...(await view.targets(GOVERNED)), ...(await cluster.targetsOf(agentOf(FIRST)))];
    for (const { kind, ref } of shuffled(targets, createRandom(order))) {
      // As long as the guard is there, it refuses many of them.
      expect(await refusalOf(cluster.client.delete(kind, ref, cluster.signal))).toMatch(/^$|fso-guard/);
    }
    expect(await removeByPod()).toContain('Nothing enforces');
    expect(await view.enforcing()).toEqual([]);
    expect(await view.held()).toEqual([]);
    await view.clear(GOVERNED);
  });
});
