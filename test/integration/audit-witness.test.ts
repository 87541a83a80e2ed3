import { join } from 'node:path';
import { AGENT_STATE, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND } from '@fso/shared/kube';
import { Checkpoint } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { createHubProcess } from '../harness/hub-process.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { eventually, never } from '../harness/waiting.ts';

const API_TOKEN = 'static-token-0123456789';

it('an agent reports the restored log of its hub, until its checkpoint is deleted by the commands of docs/operate/ledger.md', async () => {
  await using opened = new AsyncDisposableStack();
  const world = await ClusterHarness.start({ name: 'eu', gatekeeper: false }, never);
  opened.defer(() => world.close());
  const bench = await openHubHarness();
  opened.defer(() => bench.close());
  await bench.repository.commit(basicRepository(), 'first');
  const folder = join(bench.folder, 'process');
  const hub = await createHubProcess({
    name: 'hub',
    folder,
    gitUrl: bench.git.url('policies.git'),
    tokens: TOKENS,
    env: { FSO_API_TOKEN: API_TOKEN },
  });
  opened.defer(() => hub.stop());
  const fso = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await runFso(args, { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN });
    expect(code, err).toBe(0);
    return out;
  };
  const startAgent = async (): Promise<AgentProcess> => {
    const env = { FSO_HUB_URL: `${hub.agentUrl}/agent/v1/stream`, FSO_HUB_TOKEN: TOKENS.get('eu') ?? '' };
    const agent = await startAgentProcess(world.cluster, { folder: world.folder, env });
    opened.defer(() => agent.stop());
    return agent;
  };
  const state = () => world.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, never);
  const stored = async (): Promise<Checkpoint | undefined> => {
    const text = (await state())?.data?.['checkpoint'];
    return text === undefined ? undefined : Checkpoint.parse(JSON.parse(text));
  };
  const forks = async (): Promise<number> =>
    (await fso('get', 'events', '--cluster', 'eu', '-o', 'json')).split('AuditForkDetected').length - 1;

  await hub.start();
  const agent = await startAgent();
  const first = await eventually(stored);
  const backup = join(folder, 'ledger.jsonl.gz');
  await fso('backup', '--from-hub', backup);
  for (const name of ['one', 'two', 'three', 'four', 'five']) await fso('tokens', 'create', name);
  // A hub that starts signs what its log has.
  await hub.stop();
  await hub.start();
  const second = await eventually(async () => {
    const checkpoint = await stored();
    return checkpoint !== undefined && checkpoint.sequence > first.sequence + 5 && checkpoint;
  });

  await hub.stop();
  expect(await runFso(['restore', '--replace', backup], { FSO_DATA_DIR: join(folder, 'data') })).toMatchObject({ code: 0 });
  await hub.start();
  await eventually(async () => (await forks()) === 1);
  expect(await stored()).toEqual(second);

  await agent.stop();
  const shell = await Shell.open(world, never);
  await shell.run(`kubectl -n ${SYSTEM_NAMESPACE} create deployment fso-agent --image=fso-agent --replicas=2`);
  await shell.run(documentedCommands('docs/operate/ledger.md', 'checkpoint'));
  const { checkpoint, ...rest } = (await state())?.data ?? {};
  expect(checkpoint).toBeUndefined();
  expect(Object.keys(rest)).not.toEqual([]);
  await startAgent();
  await eventually(stored);
  expect(await forks()).toBe(1);
});
