import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeTemporaryFolder } from '../../../test/harness/temporary-folder.ts';
import { ConfigError, parseConfig } from '../program/config.ts';
import { Secrets } from '../program/secrets.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { createTlsAgent, PROXY_SECRETS, PROXY_VARIABLES, proxyFetch, readProxy, TlsAgents } from './http-proxy.ts';

const read = async (env: Record<string, string>) => {
  const schema = z.object(PROXY_VARIABLES);
  const secrets = await Secrets.read(env, schema, PROXY_SECRETS, []);
  return readProxy(parseConfig(schema, secrets.environment), secrets);
};

describe('readProxy', () => {
  it('is off without a URL', async () => {
    expect([await read({}), await read({ NO_PROXY: 'example.com' })]).toEqual([undefined, undefined]);
  });

  it('keeps this machine and the cluster direct', async () => {
    expect((await read({ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '.corp.example' }))?.NO_PROXY.split(',')).toEqual([
      'localhost',
      '127.0.0.1',
      '::1',
      '.svc',
      '.cluster.local',
      '.corp.example',
    ]);
  });

  it('keeps the password out of the error of an invalid URL', async () => {
    const error: unknown = await read({ HTTPS_PROXY: 'socks5://user:secret@proxy' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).not.toContain('secret');
  });
});

describe('createTlsAgent', () => {
  /** @returns what a proxy gets of a request to the URL; undefined: it was not asked */
  const askedOf = async (url: string): Promise<string | undefined> => {
    const { promise: asked, resolve } = Promise.withResolvers<string | undefined>();
    const server = createServer((socket) => socket.once('data', (data) => resolve(String(data).split('\r\n')[0])));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const proxy = await read({ HTTPS_PROXY: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, NO_PROXY: 'direct.example' });
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

describe('a proxy whose URL is in a file', () => {
  /** A proxy that refuses all tunnels, and what users ask it for them. */
  const open = async () => {
    const users: (string | undefined)[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (data) => {
        const header = /proxy-authorization: Basic (\S+)/i.exec(String(data))?.[1];
        users.push(header && Buffer.from(header, 'base64').toString());
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const file = join(makeTemporaryFolder('proxy'), 'url');
    const write = (password: string): void =>
      writeFileSync(file, `http://fso:${password}@127.0.0.1:${(server.address() as AddressInfo).port}`);
    write('old');
    const proxy = (await read({ HTTPS_PROXY_FILE: file })) ?? expect.fail('no proxy');
    return { users, write, proxy, [Symbol.dispose]: () => void server.close() };
  };

  it('is the new one for the next request of an agent', async () => {
    using world = await open();
    const agents = new TlsAgents(world.proxy, { keepAlive: true });
    const ask = () => once(request('https://hub.example/', { agent: agents.current() }).end(), 'error').catch(() => undefined);
    await ask();
    world.write('new');
    await ask();
    agents.destroy();
    expect(world.users).toEqual(['fso:old', 'fso:new']);
  });

  it('is the new one for fetch a little later, until the program stops', async () => {
    using world = await open();
    const [clock, stopping] = [new FakeClock(), new AbortController()];
    const running = proxyFetch(world.proxy, clock, stopping.signal);
    const ask = () => fetch('https://hub.example/').catch(() => undefined);
    await ask();
    world.write('new');
    await clock.advance(10_000);
    await ask();
    stopping.abort();
    await running;
    const asked = world.users.length;
    await fetch('https://127.0.0.1:1/').catch(() => undefined);
    expect([world.users.at(0), world.users.at(-1), world.users.length]).toEqual(['fso:old', 'fso:new', asked]);
  });
});
