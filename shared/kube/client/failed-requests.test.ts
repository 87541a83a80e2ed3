import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG_MAP_KIND } from '../kinds.ts';
import { failure, json, object, ScriptedServer } from '../testing/scripted-server.ts';

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.open();
});
afterEach(() => server.close());

describe('client', () => {
  it('sends a read again after the wait that the server asks for, but not forever', async () => {
    server.script = [failure(429, 'TooManyRequests', { 'retry-after': '0' }), json(object('x', '1'))];
    expect(await server.client.get(CONFIG_MAP_KIND, { namespace: 'a', name: 'x' }, server.signal)).toMatchObject({ data: { value: '' } });
    server.script = Array.from({ length: 10 }, () => failure(503, 'ServiceUnavailable', { 'retry-after': '0' }));
    await expect(server.client.version(server.signal)).rejects.toMatchObject({ status: 503, reason: 'ServiceUnavailable' });
    expect(server.script).toHaveLength(6);
  });

  it('never sends a write again', async () => {
    server.script = [failure(429, 'TooManyRequests', { 'retry-after': '3' }), json({})];
    const write = server.client.create(CONFIG_MAP_KIND, { metadata: { namespace: 'a', name: 'x' } }, {}, server.signal);
    await expect(write).rejects.toMatchObject({ status: 429, retryAfterMs: 3_000 });
  });

  it('keeps the text of a response that is not a Status', async () => {
    server.script = [(_, response) => response.writeHead(502).end('bad gateway\n')];
    await expect(server.client.version(server.signal)).rejects.toMatchObject({ status: 502, message: 'bad gateway' });
  });

  it('ends a request in time, and at once when aborted', async () => {
    server.script = [() => undefined, () => undefined];
    const slow = server.client.raw({ method: 'GET', path: '/version', timeoutMs: 20 }, server.signal);
    await expect(slow).rejects.toMatchObject({ name: 'KubeConnectionError', timedOut: true });
    const reason = new Error('no longer wanted');
    await expect(server.client.version(AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
