import { expect, it } from 'vitest';
import { alertsConfig, openAlertsFolder } from '../alerts/testing/alerts-files.ts';
import { startReceiverServer } from '../alerts/testing/receiver-server.ts';
import type { ApiHarness } from '../serve/testing/api-harness.ts';
import { runFso, startFilledApi } from './testing/run-fso.ts';

const TOKEN = 'static-token-0123456789';
const fso = (server: ApiHarness, ...args: string[]) => runFso(args, { FSO_SERVER: server.url, FSO_TOKEN: TOKEN });

const start = async () => {
  const folder = await openAlertsFolder();
  const receiver = await startReceiverServer();
  const secretFile = await folder.secret('hmac', 'a-secret-of-the-webhook');
  const config = alertsConfig(`
receivers:
  - name: hook
    webhook: {url: "${receiver.url}/in?token=x", secretFile: ${secretFile}}
route: {receiver: hook, groupWait: 0s, groupInterval: 1s}
rules:
  Violations: {for: 0s}
`);
  const server = await startFilledApi({ alertsConfig: config, apiToken: TOKEN });
  return {
    server,
    receiver,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};

it('lists alerts, silences them, ends silences, and tests receivers', async () => {
  await using started = await start();
  const { server, receiver } = started;
  await expect.poll(() => receiver.received.length).toBeGreaterThan(0);
  const listed = await fso(server, 'alerts');
  expect(listed).toMatchObject({ code: 0, err: '' });
  expect(listed.out).toMatch(
    /^STATE +SEVERITY +NAME +CLUSTER +POLICY +TEAM +SINCE +NOTIFIED +SUMMARY\nfiring +critical +Violations +us +finance +- +\d+s +(hook|-) +Violations: policy finance in cluster us\n$/,
  );
  const silenced = await fso(server, 'alerts', 'silence', 'cluster=us', 'name=~"Viol.*"', '--for', '1h', '--reason', 'known');
  expect(silenced).toMatchObject({
    code: 0,
    err: expect.stringMatching(/^Silence [0-9a-f]{16} until \S+; it matches 1 firing alert now\n$/),
  });
  const id = silenced.err.split(' ')[1] ?? '';
  expect((await fso(server, 'alerts', 'list', '--state', 'silenced', '-o', 'json')).out).toContain(`"silencedBy": [\n      "${id}"`);
  expect((await fso(server, 'alerts', 'silences')).out).toContain('cluster=us,name=~"Viol.*"');
  expect(await fso(server, 'alerts', 'unsilence', id)).toMatchObject({ code: 0, err: expect.stringContaining('has ended') });
  expect(server.audit.map(({ action, subject, outcome }) => [action, subject, outcome])).toEqual([
    ['createSilence', id, 'done'],
    ['endSilence', id, 'done'],
  ]);
  expect((await fso(server, 'alerts', 'receivers')).out).toMatch(/^NAME +KIND +TARGET +.*\nhook +webhook +127\.0\.0\.1:\d+ +/);
  const tested = await fso(server, 'alerts', 'test', 'hook');
  expect(tested).toMatchObject({ code: 0, out: expect.stringContaining('HTTP 200: ok') });
  receiver.answer = () => ({ status: 403, body: 'bad a-secret-of-the-webhook' });
  const refused = await fso(server, 'alerts', 'test', 'hook');
  expect(refused).toMatchObject({ code: 1, out: expect.stringContaining('HTTP 403: bad …') });
});

it('reports a wrong call', async () => {
  await using started = await start();
  const { server } = started;
  const silence = (...args: string[]) => fso(server, 'alerts', 'silence', ...args);
  expect(await silence('colour=red', '--reason', 'x')).toMatchObject({
    code: 2,
    err: expect.stringContaining('label must be one of name, severity'),
  });
  expect(await silence('cluster=~".*"', '--reason', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('absent label') });
  expect(await silence('cluster=us', '--until', '2020-01-01T00:00:00Z', '--reason', 'x')).toMatchObject({
    code: 2,
    err: expect.stringContaining('in the future'),
  });
  expect(await silence('cluster=us')).toMatchObject({ code: 2, err: expect.stringContaining('--reason') });
  expect(await fso(server, 'alerts', 'unsilence', '0123456789abcdef')).toMatchObject({
    code: 1,
    err: expect.stringContaining('There is no silence'),
  });
  expect(await fso(server, 'alerts', 'test', 'nobody')).toMatchObject({
    code: 1,
    err: expect.stringContaining('There is no receiver nobody'),
  });
});
