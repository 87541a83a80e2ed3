import type { ProblemDetails } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../testing/api-harness.ts';
import { clusterReport, desiredOf, FILES, policyReport, REVISION, report } from '../testing/fleet.ts';

const ADMIN = 'static-token-0123456789';
const ask = (server: ApiHarness, path: string, method = 'GET', token = ADMIN): Promise<Response> =>
  fetch(`${server.url}/api/v1${path}`, { method, headers: { Authorization: `Bearer ${token}` } });
const refusal = async (response: Response): Promise<string> => {
  const { status, detail } = (await response.json()) as ProblemDetails;
  return `${status} ${detail}`;
};

/** Two clusters that are registered and connected, and one that is connected alone. */
const started = async () => {
  const server = await startApiHarness({ apiToken: ADMIN });
  await fillLedger(server.ledger);
  await server.ledger.setConnected('old', true);
  await server.ledger.applyReport('old', report({ cluster: clusterReport(), policies: [policyReport('finance', { phase: 'Failed' })] }));
  await server.identity.issueToken('old', 60_000);
  return server;
};

it('forgets a cluster that is neither registered nor connected, and no other', async () => {
  await using server = await started();
  const { ledger, identity } = server;
  expect(await refusal(await ask(server, '/clusters/nowhere', 'DELETE'))).toBe('404 There is no cluster nowhere.');
  expect(await refusal(await ask(server, '/clusters/us', 'DELETE'))).toContain('409 us is registered');
  expect(await refusal(await ask(server, '/clusters/old', 'DELETE'))).toContain('409 old is connected');
  await ledger.setConnected('old', false);
  const done = await ask(server, '/clusters/old', 'DELETE');
  expect([done.status, await done.json()]).toEqual([200, { cluster: 'old' }]);
  expect((await ask(server, '/clusters/old')).status).toBe(404);
  expect((await identity.list()).map(({ cluster }) => cluster)).toEqual([]);
  expect(await refusal(await ask(server, '/clusters/old', 'DELETE'))).toBe('404 There is no cluster old.');
  expect(server.audit.map(({ action, outcome, subject }) => `${action} ${outcome} ${subject}`)).toEqual([
    'forgetCluster refused nowhere',
    'forgetCluster refused us',
    'forgetCluster refused old',
    'forgetCluster done old',
    'forgetCluster refused old',
  ]);
});

it('forgets a name that has only a token', async () => {
  await using server = await started();
  await server.identity.issueToken('typo', 60_000);
  expect((await ask(server, '/clusters/typo', 'DELETE')).status).toBe(200);
  expect((await server.identity.list()).map(({ cluster }) => cluster)).toEqual(['old']);
});

it('refuses before it knows which clusters are registered', async () => {
  await using server = await startApiHarness({ apiToken: ADMIN });
  await server.ledger.setConnected('old', true);
  await server.ledger.setConnected('old', false);
  expect(await refusal(await ask(server, '/clusters/old', 'DELETE'))).toContain('409 The hub has not read the repository yet');
});

it('forgets a cluster before it has read the repository when forced, with an entry in the audit log', async () => {
  await using server = await startApiHarness({ apiToken: ADMIN });
  await server.ledger.setConnected('old', true);
  expect(await refusal(await ask(server, '/clusters/old?force=true', 'DELETE'))).toContain('409 old is connected');
  await server.ledger.setConnected('old', false);
  expect((await ask(server, '/clusters/old?force=yes', 'DELETE')).status).toBe(400);
  expect((await ask(server, '/clusters/old?force=true', 'DELETE')).status).toBe(200);
  expect(await server.ledger.cluster('old')).toBeNull();
  expect(server.audit.at(-1)).toMatchObject({
    outcome: 'done',
    subject: 'old',
    detail: 'forced: the repository was not read, so the cluster may be registered',
  });
});

it('refuses a registered cluster, forced or not', async () => {
  await using server = await started();
  expect(await refusal(await ask(server, '/clusters/us?force=true', 'DELETE'))).toContain('409 us is registered');
  await server.ledger.setConnected('old', false);
  await ask(server, '/clusters/old?force=true', 'DELETE');
  expect(server.audit.at(-1)).toMatchObject({ outcome: 'done', subject: 'old', detail: '' });
});

it('makes open pages reload their lists', async () => {
  await using server = await started();
  await server.ledger.setConnected('old', false);
  const stream = await ask(server, '/stream');
  const reader = (stream.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (part: string): Promise<void> => {
    while (!text.includes(part)) text += (await reader.read()).value ?? '';
  };
  await until('event: status');
  text = '';
  await ask(server, '/clusters/old', 'DELETE');
  await until('event: reset');
  await reader.cancel();
});

it('counts a cluster again once it is registered again', async () => {
  await using server = await started();
  await server.ledger.setConnected('old', false);
  const phases = async () => ((await (await ask(server, '/status')).json()) as { policies: { failed: number } }).policies.failed;
  expect(await phases()).toBe(0);
  const text = 'apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: {name: old}\nspec: {regions: [us-east-1]}\n';
  await server.ledger.setDesired(desiredOf(REVISION, [...FILES, { path: 'clusters/old.yaml', text }]));
  expect(await phases()).toBe(1);
});
