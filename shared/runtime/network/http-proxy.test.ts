import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, parseConfig } from '../program/config.ts';
import { createTlsAgent, PROXY_VARIABLES, readProxy } from './http-proxy.ts';

const read = (env: Record<string, string>) => readProxy(parseConfig(z.object(PROXY_VARIABLES), env));

describe('readProxy', () => {
  it('is off without a URL', () => {
    expect([read({}), read({ NO_PROXY: 'example.com' })]).toEqual([undefined, undefined]);
  });

  it('keeps this machine and the cluster direct', () => {
    expect(read({ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '.corp.example' })?.NO_PROXY.split(',')).toEqual([
      'localhost',
      '127.0.0.1',
      '::1',
      '.svc',
      '.cluster.local',
      '.corp.example',
    ]);
  });

  it('keeps the password out of the error of an invalid URL', () => {
    expect(() => read({ HTTPS_PROXY: 'socks5://user:secret@proxy' })).toThrow(ConfigError);
    expect(() => read({ HTTPS_PROXY: 'socks5://user:secret@proxy' })).not.toThrow(/secret/);
  });
});

describe('createTlsAgent', () => {
  /** @returns what a proxy gets of a request to the URL; undefined: it was not asked */
  const askedOf = async (url: string): Promise<string | undefined> => {
    const { promise: asked, resolve } = Promise.withResolvers<string | undefined>();
    const server = createServer((socket) => socket.once('data', (data) => resolve(String(data).split('\r\n')[0])));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const proxy = read({ HTTPS_PROXY: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, NO_PROXY: 'direct.example' });
    request(url, { agent: createTlsAgent(proxy, { timeout: 60_000 }) })
      .on('error', () => resolve(undefined))
      .end();
    try {
      return await asked;
    } finally {
      server.close();
    }
  };

  it('opens a tunnel through the proxy', async () => {
    expect(await askedOf('https://hub.example:8443/')).toBe('CONNECT hub.example:8443 HTTP/1.1');
  });

  it.each(['https://127.0.0.1:1/', 'https://[::1]:1/', 'https://localhost:1/', 'https://hub.fso.svc:1/', 'https://direct.example:1/'])(
    'reaches %s directly',
    async (url) => {
      expect(await askedOf(url)).toBeUndefined();
    },
  );
});
