import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { startTcpProxy } from '../harness/tcp-proxy.ts';
import { eventually, printMs } from '../harness/waiting.ts';

let bench: HubHarness;
const open = async (): Promise<HubHarness> => {
  bench = await openHubHarness();
  await bench.repository.commit(basicRepository(), 'first');
  return bench;
};
afterEach(() => bench.close());

/** A webhook request that the hub has started to read. */
const beginWebhook = async (url: string) => {
  const body = '{"ref":"refs/heads/main"}';
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, 'X-GitHub-Event': 'push', Expect: '100-continue' };
  const sending = request(`${url}/api/v1/webhooks/git`, { method: 'POST', headers });
  const answered = once(sending, 'response');
  // Awaited later than it may fail.
  answered.catch(() => undefined);
  sending.flushHeaders();
  await once(sending, 'continue');
  return {
    end: async (): Promise<number | undefined> => {
      sending.end(body);
      const [response] = await answered;
      await text(response);
      return response.statusCode;
    },
  };
};

const isReady = (url: string) => eventually(async () => (await fetch(`${url}/readyz`)).ok);

describe('a hub that gets a stop signal', () => {
  it('completes open requests, ends event streams, and gives agents a time to reconnect', async () => {
    const { startHub, agent } = await open();
    const hub = await startHub();
    await isReady(hub.url);
    const eu = await agent(hub, 'eu');
    await eu.next('welcome');
    const events = await fetch(`${hub.url}/api/v1/stream`);
    const webhook = await beginWebhook(hub.url);
    const stopped = hub.stop();
    expect(await eu.closed).toEqual({ code: 1001, reason: 'the hub stops; come back within 10 ms' });
    expect(await events.text()).toContain('event: status');
    expect(await webhook.end()).toBe(202);
    await stopped;
    await expect(fetch(hub.url)).rejects.toThrow('fetch failed');
  });

  it('is unready at once, and serves all requests until its delay is over', async () => {
    const delay = Promise.withResolvers<void>();
    const clock: Clock = { ...systemClock, sleep: (ms, signal) => (ms === 7_777 ? delay.promise : systemClock.sleep(ms, signal)) };
    const { startHub, agent } = await open();
    const hub = await startHub({ config: { shutdownDelayMs: 7_777 }, deps: { clock } });
    await isReady(hub.url);
    const stopped = hub.stop();
    const answer = await fetch(`${hub.url}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([503, expect.objectContaining({ detail: 'The hub is stopping.' })]);
    expect((await fetch(`${hub.url}/api/v1/status`)).status).toBe(200);
    const eu = await agent(hub, 'eu');
    await eu.next('offer');
    delay.resolve();
    expect((await eu.closed).code).toBe(1001);
    await stopped;
  });

  it('ends although its database hangs', async () => {
    const server = await startPostgres();
    const direct = new URL(await server.createDatabase());
    const proxy = await startTcpProxy({ host: direct.hostname, port: Number(direct.port) });
    const url = new URL(direct);
    url.host = `127.0.0.1:${proxy.port}`;
    try {
      const { startHub, agent } = await open();
      const hub = await startHub({ config: { database: { url: url.href } } });
      await isReady(hub.url);
      const eu = await agent(hub, 'eu');
      await eu.next('offer');
      await eventually(async () => (await hub.ledger.cluster('eu'))?.connected);
      proxy.cut();
      const began = performance.now();
      await hub.stop();
      printMs('stop while the database hangs', performance.now() - began);
      expect(await eu.closed).toMatchObject({ code: 1001 });
    } finally {
      await proxy.close();
      await server.stop();
    }
  });
});
