/**
 * API, command and log report every problem. The last good commit stays in force, and the hub keeps
 * answering.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceView } from '@fso/shared/api';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { connectStream } from '../harness/stream-client.ts';

const API_TOKEN = 'api-token-0123456789';
const ALIAS_BOMB = 'a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n';

let bench: HubHarness;
afterEach(() => bench.close());

type Line = Readonly<Record<string, unknown>>;

const start = async (change: Parameters<HubHarness['startHub']>[0] = {}) => {
  const lines: Line[] = [];
  const logger = pino({ formatters: { level: (level) => ({ level }) } }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const hub = await bench.startHub({ ...change, config: { apiToken: API_TOKEN }, deps: { logger } });
  return { hub, logged: (message: string) => lines.filter(({ msg }) => msg === message) };
};
const get = (hub: RunningHub, path: string) => fetch(hub.url + path, { headers: { Authorization: `Bearer ${API_TOKEN}` } });
const sourceOf = async (hub: RunningHub) => SourceView.parse(await (await get(hub, '/api/v1/source')).json());
const statusText = (hub: RunningHub) => runFso(['status'], { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN });
const inForce = (hub: RunningHub, revision: string) => expect.poll(async () => (await sourceOf(hub)).revision?.revision).toBe(revision);

it.each([
  ['broken YAML', 'kind: [\n', /policies\/bad\.yaml:\d+:\d+: /],
  ['an unknown field', `${policyFile('bad')}  regoin: eu-west-1\n`, /policies\/bad\.yaml:8:\d+: .*regoin/],
  ['a duplicate policy', policyFile('finance'), /policies\/\w+\.yaml:4:\d+: .*finance/],
  ['an unknown region group', policyFile('bad', ['group:nowhere']), /policies\/bad\.yaml:7:\d+: .*nowhere/],
  ['an oversized file', `# ${'x'.repeat(300_000)}\n`, /policies\/bad\.yaml:1:1: .*bytes/],
  ['an alias bomb', ALIAS_BOMB, /policies\/bad\.yaml:\d+:\d+: .*(alias|anchor)/],
])('%s', async (_name, text, place) => {
  bench = await openHubHarness();
  const good = await bench.repository.commit(basicRepository(), 'good');
  const { hub, logged } = await start();
  await inForce(hub, good);
  const bad = await bench.repository.commit({ 'policies/bad.yaml': text }, 'bad');
  hub.source.hint();
  await expect.poll(async () => (await sourceOf(hub)).rejected?.commit.revision).toBe(bad);

  const status = await statusText(hub);
  expect(status.code).toBe(0);
  expect(status.out).toContain(`Refused: ${bad.slice(0, 8)} bad`);
  expect(status.out).toMatch(place);
  expect(logged('commit rejected')).toEqual([expect.objectContaining({ level: 'warn', revision: bad, first: expect.anything() })]);
  await inForce(hub, good);
  expect((await get(hub, '/readyz')).status).toBe(200);
  const wait = await runFso(['wait', '--revision', bad], { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN });
  expect([wait.code, wait.err]).toEqual([1, expect.stringMatching(place)]);
});

it('an unreachable Git server', async () => {
  const faults = new Set<'cut'>();
  bench = await openHubHarness({
    onRequest: (request) => {
      if (faults.has('cut')) request.socket.destroy();
    },
  });
  const good = await bench.repository.commit(basicRepository(), 'good');
  const { hub, logged } = await start();
  await inForce(hub, good);
  faults.add('cut');
  hub.source.hint();
  await expect.poll(async () => (await sourceOf(hub)).error?.message).toMatch(/cannot reach the Git server/);
  expect((await statusText(hub)).out).toMatch(/Not readable: +cannot reach the Git server.*\(for \d+s\)/);
  expect(logged('source unreachable')).toEqual([
    expect.objectContaining({ level: 'warn', reason: expect.stringContaining('cannot reach') }),
  ]);
  await inForce(hub, good);
  expect((await get(hub, '/readyz')).status).toBe(200);
});

it('Git credentials of a command: read again after the server refused them, and shown nowhere', async () => {
  const credentials = { username: 'git', password: 'right-password' };
  bench = await openHubHarness({ credentials });
  const good = await bench.repository.commit(basicRepository(), 'good');
  const file = join(bench.folder, 'header');
  await writeFile(file, 'Bearer old-and-refused\n');
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const command = { argv: [process.execPath, '-p', 'require("node:fs").readFileSync(process.argv[1], "utf8")', file], env: {} };
  const hub = await bench.startHub({
    gitConfig: { credentials: undefined, authCommand: command },
    config: { apiToken: API_TOKEN },
    deps: { logger },
  });
  await expect.poll(async () => (await sourceOf(hub)).error?.message).toMatch(/refuses the credentials/);
  const header = `Basic ${Buffer.from('git:right-password').toString('base64')}`;
  await writeFile(file, header);
  await inForce(hub, good);
  const everything = lines.join('') + (await (await get(hub, '/api/v1/source')).text()) + (await (await get(hub, '/api/v1/events')).text());
  for (const secret of [header, 'right-password', 'old-and-refused']) expect(everything).not.toContain(secret);
});

it('a Git server that refuses the credentials from the start: the hub is not ready, and reports why', async () => {
  bench = await openHubHarness({ credentials: { username: 'git', password: 'right-password' } });
  await bench.repository.commit(basicRepository(), 'good');
  const { hub, logged } = await start({ gitConfig: { credentials: { username: 'git', password: 'wrong-password' } } });
  await expect.poll(async () => (await sourceOf(hub)).error?.message).toMatch(/refuses the credentials/);
  expect((await get(hub, '/readyz')).status).toBe(503);
  expect((await statusText(hub)).out).toMatch(/Not readable: +the Git server refuses the credentials \(HTTP 401\)/);
  expect(JSON.stringify(logged('source unreachable'))).not.toContain('password');
});

it('a wrong token, of an agent and of a person', async () => {
  bench = await openHubHarness();
  await bench.repository.commit(basicRepository(), 'good');
  const { hub, logged } = await start();
  await expect(connectStream(hub.agentUrl, 'not-the-token-of-anyone', 'eu')).rejects.toThrow('HTTP 401');
  expect(logged('agent refused')).toEqual([expect.objectContaining({ level: 'warn', remote: '127.0.0.1' })]);
  const answer = await fetch(`${hub.url}/api/v1/status`, { headers: { Authorization: 'Bearer wrong' } });
  expect([answer.status, await answer.json()]).toEqual([401, expect.objectContaining({ code: 'unauthorized' })]);
  const status = await runFso(['status', '--token', 'wrong'], { FSO_SERVER: hub.url });
  expect([status.code, status.err]).toEqual([2, expect.stringContaining('--token-file or FSO_TOKEN')]);
});
