import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { isLoopback, listen, parseAddress } from './http-server.ts';

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

  it('reports that a port is in use', async () => {
    const stop = new AbortController();
    const first = await listen(() => undefined, '127.0.0.1:0', stop.signal);
    await expect(listen(() => undefined, `127.0.0.1:${first.port}`, stop.signal)).rejects.toThrow('the port is in use');
    stop.abort();
    await first.closed;
  });

  it('waits neither for a handshake that never comes nor for an upgraded connection that never ends', async () => {
    const stop = new AbortController();
    const secure = await listen(createTlsServer(), '127.0.0.1:0', stop.signal);
    const plain = await listen(() => undefined, '127.0.0.1:0', stop.signal);
    // The code that took this connection over forgot it.
    plain.server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
    const accepted = once(secure.server, 'connection');
    const silent = connect({ port: secure.port, host: '127.0.0.1', allowHalfOpen: true });
    const upgraded = connect({ port: plain.port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [silent, upgraded]) socket.on('error', () => undefined);
    upgraded.write('GET / HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await Promise.all([accepted, once(upgraded, 'data')]);
    stop.abort();
    await Promise.all([secure.closed, plain.closed]);
    for (const socket of [silent, upgraded]) socket.destroy();
  });
});

describe('parseAddress', () => {
  it('reads host and port', () => {
    expect(parseAddress('127.0.0.1:80')).toEqual({ host: '127.0.0.1', port: 80 });
    expect(parseAddress(':8080')).toEqual({ host: '0.0.0.0', port: 8080 });
    expect(parseAddress('[::1]:1')).toEqual({ host: '::1', port: 1 });
    for (const wrong of ['8080', 'host:', 'host:99999', '::1:80']) expect(() => parseAddress(wrong)).toThrow('expected host:port');
  });
});

describe('isLoopback', () => {
  it.each(['localhost', '127.0.0.1', '127.8.9.1', '::1', '[::1]'])('accepts %s', (host) => expect(isLoopback(host)).toBe(true));

  it.each(['', '0.0.0.0', '::', '10.0.0.1', 'hub', '127.0.0.1.example.com', '[::1', 'localhost.example.com'])('refuses "%s"', (host) =>
    expect(isLoopback(host)).toBe(false),
  );
});
