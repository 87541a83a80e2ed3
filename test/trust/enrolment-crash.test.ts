import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '@fso/hub/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Program, startProgram, until } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { caOf, type EnrolledAgent, useToken } from '../harness/enrolment-client.ts';
import { connectStream } from '../harness/stream-client.ts';
import { never } from '../harness/waiting.ts';

/**
 * A hub process that is killed right after each response: it loses nothing that it has
 * acknowledged.
 */

const ROUNDS = 3;
const PROGRAM = join(import.meta.dirname, '..', '..', 'hub', 'cli', 'main.ts');
const API_TOKEN = 'api-token-0123456789';
const signal = never;

let folder: string;
let hub: { readonly client: HubClient; readonly agentUrl: string; readonly env: Readonly<Record<string, string>> };
let program: Program;

const start = async (): Promise<void> => {
  program = startProgram({ name: 'hub', command: [PROGRAM, 'serve'], env: hub.env, logFile: join(folder, 'hub.log') });
  await until(
    'the hub answers',
    async () => {
      program.assertRunning();
      return hub.client.enrolments(signal);
    },
    signal,
  );
};
const killAndStart = async (): Promise<void> => {
  await program.stop('SIGKILL');
  await start();
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-crash-'));
  const [api, agents] = [await freePort(), await freePort()];
  const env = {
    // No server listens there: enrolment does not wait for the repository.
    FSO_GIT_URL: 'http://127.0.0.1:1/policies.git',
    FSO_LISTEN: `127.0.0.1:${api}`,
    FSO_AGENT_LISTEN: `127.0.0.1:${agents}`,
    FSO_API_TOKEN: API_TOKEN,
    FSO_DATA_DIR: join(folder, 'hub'),
  };
  hub = { client: createHubClient({ server: `http://127.0.0.1:${api}`, token: API_TOKEN }), agentUrl: `wss://127.0.0.1:${agents}`, env };
  await start();
});
afterEach(async () => {
  await program.stop();
  await rm(folder, { recursive: true, force: true });
});

it('loses no token, no enrolment and no revocation that it has acknowledged', async () => {
  const ca = caOf(join(folder, 'hub'));
  const gone: EnrolledAgent[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `eu-${round}`;
    const { token } = await hub.client.createEnrolmentToken(name, 600, signal);
    await killAndStart();
    const agent = await useToken(hub, token, ca);
    await killAndStart();
    await expect(useToken(hub, token, ca)).rejects.toThrow('token-used');
    const stream = await connectStream(hub.agentUrl, '', name, agent);
    stream.hello();
    await stream.next('welcome');
    await hub.client.revokeCluster(name, signal);
    await killAndStart();
    gone.push(agent);
    for (const revoked of gone) await expect(connectStream(hub.agentUrl, '', revoked.cluster, revoked)).rejects.toThrow('HTTP 403');
  }
  expect(caOf(join(folder, 'hub'))).toBe(ca);
  await program.stop();
  for (const file of await readdir(join(folder, 'hub', 'ledger')))
    expect(await readFile(join(folder, 'hub', 'ledger', file), 'utf8')).not.toContain('fso1.');
});
