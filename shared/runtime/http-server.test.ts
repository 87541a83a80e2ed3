import { describe, expect, it } from 'vitest';
import { listen } from './http-server.ts';

describe('listen', () => {
  it('serves until the signal aborts and lets a request in flight end', async () => {
    const stop = new AbortController();
    const arrived = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const serving = await listen(
      async (_, response) => {
        arrived.resolve();
        await gate.promise;
        response.end('late');
      },
      '127.0.0.1:0',
      stop.signal,
    );
    const answer = fetch(serving.url);
    await arrived.promise;
    stop.abort();
    gate.resolve();
    expect(await (await answer).text()).toBe('late');
    await serving.closed;
    await expect(fetch(serving.url)).rejects.toThrow();
  });

  it('says that a port is in use', async () => {
    const stop = new AbortController();
    const first = await listen(() => undefined, '127.0.0.1:0', stop.signal);
    await expect(listen(() => undefined, `127.0.0.1:${first.port}`, stop.signal)).rejects.toThrow('the port is in use');
    stop.abort();
    await first.closed;
  });
});
