import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FakeClock } from '@fso/shared/fake-clock';
import { SecretFile } from '@fso/shared/runtime';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { clientCredentialsGrant } from 'openid-client';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../test/harness/temporary-folder.ts';
import { createBearer } from './bearer.ts';
import { createProvider, type OidcSettings, ProviderUnavailable } from './provider.ts';
import { parseRoleMap } from './roles.ts';

const MiB = 1024 * 1024;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A provider on this machine with a set answer for each path. */
const startServer = async () => {
  const answers = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const answer = answers.get(new URL(request.url ?? '/', 'http://x').pathname);
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { answers, issuer, [Symbol.dispose]: close };
};

const settingsOf = (issuer: string): OidcSettings & { audience: string } => ({
  issuer,
  clientId: 'fso',
  clientSecret: undefined,
  scopes: 'openid',
  rolesClaim: 'groups',
  roleMap: parseRoleMap('viewer=*'),
  grants: [],
  audience: 'fso',
});

const json =
  (value: unknown): Answer =>
  (_request, response) =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify(value));

/** Sends until it is cut off, and counts what it could send. */
const endless = (begin: string) => {
  const sent = { bytes: 0, isCut: false };
  const answer: Answer = (_request, response) => {
    const chunk = ' '.repeat(64 * 1024);
    const more = (): void => {
      for (; !response.destroyed && !response.writableNeedDrain; sent.bytes += chunk.length) response.write(chunk);
    };
    response.on('drain', more).on('close', () => {
      sent.isCut = true;
    });
    response.setHeader('content-type', 'application/json').write(begin);
    more();
  };
  return { sent, answer };
};

const DISCOVERY = '/.well-known/openid-configuration';
const metadataOf = (issuer: string) => ({ issuer, authorization_endpoint: `${issuer}/authorize`, jwks_uri: `${issuer}/keys` });

const deps = { clock: new FakeClock(), logger: pino({ level: 'silent' }), timeoutMs: 2_000 };

it('authenticates the client with the secret that its file has by then', async () => {
  using server = await startServer();
  const seen: (string | undefined)[] = [];
  server.answers.set('/.well-known/openid-configuration', (request, response) =>
    json({ issuer: server.issuer, token_endpoint: `${server.issuer}/token` })(request, response),
  );
  server.answers.set('/token', (request, response) => {
    seen.push(request.headers.authorization);
    json({ access_token: 'x', token_type: 'Bearer' })(request, response);
  });
  const file = join(makeTemporaryFolder('provider'), 'client-secret');
  writeFileSync(file, 'first');
  const clientSecret = new SecretFile('FSO_OIDC_CLIENT_SECRET', file, 'first');
  const provider = createProvider(
    { ...settingsOf(server.issuer), clientSecret },
    { clock: new FakeClock(), logger: pino({ level: 'silent' }) },
  );
  await clientCredentialsGrant(await provider.configuration());
  writeFileSync(file, 'second');
  await clientCredentialsGrant(await provider.configuration());
  const basic = (secret: string): string => `Basic ${Buffer.from(`fso:${secret}`).toString('base64')}`;
  expect(seen).toEqual([basic('first'), basic('second')]);
});

describe('the metadata of a provider', () => {
  const discover = (issuer: string, timeoutMs = deps.timeoutMs) =>
    createProvider(settingsOf(issuer), { ...deps, timeoutMs }).configuration();

  it('is read', async () => {
    using server = await startServer();
    server.answers.set(DISCOVERY, json(metadataOf(server.issuer)));
    expect((await discover(server.issuer)).serverMetadata().issuer).toBe(server.issuer);
  });

  it('is cut off beyond its bound, also while it is unpacked', async () => {
    using server = await startServer();
    const { sent, answer } = endless('{');
    server.answers.set(DISCOVERY, answer);
    await expect(discover(server.issuer)).rejects.toThrow(ProviderUnavailable);
    await expect.poll(() => sent.isCut).toBe(true);
    expect(sent.bytes).toBeLessThan(64 * MiB);
    const bomb = gzipSync(JSON.stringify({ ...metadataOf(server.issuer), more: 'x'.repeat(100 * MiB) }));
    server.answers.set(DISCOVERY, (_request, response) =>
      response.setHeader('content-type', 'application/json').setHeader('content-encoding', 'gzip').end(bomb),
    );
    await expect(discover(server.issuer)).rejects.toThrow(ProviderUnavailable);
  });

  it.each<readonly [string, Answer]>([
    ['nothing', () => undefined],
    ['a word now and then', (_request, response) => void response.write('{')],
    ['something else than JSON', (_request, response) => response.setHeader('content-type', 'application/json').end('<html>')],
    ['nesting without end', (_request, response) => response.setHeader('content-type', 'application/json').end('['.repeat(500_000))],
    ['headers without end', (_request, response) => response.setHeader('x', 'x'.repeat(100_000)).end('{}')],
    ['that it is elsewhere', (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
  ])('%s does not answer as one', async (_what, answer) => {
    using server = await startServer();
    server.answers.set(DISCOVERY, answer);
    server.answers.set('/elsewhere', json(metadataOf(server.issuer)));
    await expect(discover(server.issuer, 200)).rejects.toThrow(ProviderUnavailable);
  });
});

describe('keys of a provider', () => {
  it('are read up to a size, and are valid as soon as they fit', async () => {
    using server = await startServer();
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const clock = new FakeClock();
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(server.issuer)
      .setAudience('fso')
      .setSubject('ann')
      .setExpirationTime(clock.now().getTime() / 1000 + 60)
      .sign(privateKey);
    server.answers.set(DISCOVERY, json(metadataOf(server.issuer)));
    const key = { ...(await exportJWK(publicKey)), kid: 'k' };
    const settings = settingsOf(server.issuer);
    const bearer = createBearer(settings, createProvider(settings, deps), clock);
    server.answers.set('/keys', json({ keys: Array.from({ length: 20_000 }, () => key) }));
    await expect(bearer.check(token)).rejects.toThrow(ProviderUnavailable);
    const { sent, answer } = endless('{"keys":[');
    server.answers.set('/keys', answer);
    await expect(bearer.check(token)).rejects.toThrow(ProviderUnavailable);
    await expect.poll(() => sent.isCut).toBe(true);
    server.answers.set('/keys', json({ keys: [key] }));
    expect((await bearer.check(token))?.principal.id).toBe('ann');
  });
});
