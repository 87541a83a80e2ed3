import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubeConnectionError } from '../errors.ts';
import { NAMESPACE_KIND } from '../kinds.ts';
import type { RawRequest } from '../types.ts';
import type { KubeClient } from './client.ts';
import { createKubeClient } from './client.ts';
import { listAll } from './list.ts';
import { watch } from './watch.ts';

const PREFIX = '/clusters/eu';
const GET = { method: 'GET', path: '/version' } as const;

describe('a request', () => {
  let folder: string;
  let server: Server;
  let client: KubeClient;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let asked: IncomingMessage[];
  const signal = new AbortController().signal;

  const tokenFile = (): string => join(folder, 'token');
  const send = (request: Partial<RawRequest> = {}, by: AbortSignal = signal) => client.raw<{ ok: boolean }>({ ...GET, ...request }, by);
  const failureOf = async (work: Promise<unknown>): Promise<unknown> => {
    try {
      return await work;
    } catch (error) {
      return error;
    }
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-client-'));
    asked = [];
    answer = (_request, response) => response.end('{"ok":true}');
    server = createServer((request, response) => {
      asked.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    writeFileSync(tokenFile(), 'first');
    const kubeconfig = join(folder, 'kubeconfig');
    const config = {
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}${PREFIX}/` } }],
      users: [{ name: 'test', user: { tokenFile: tokenFile() } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    client = createKubeClient({ kubeconfig });
  });
  afterEach(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  it('goes to the path of the server, with its query', async () => {
    const query = { fieldManager: 'a b', dryRun: undefined };
    expect((await send({ method: 'POST', path: '/api/v1/pods', query, body: { kind: 'Pod' } })).object).toEqual({ ok: true });
    const [{ method, url, headers } = {}] = asked;
    expect([method, url]).toEqual(['POST', `${PREFIX}/api/v1/pods?fieldManager=a+b`]);
    expect(headers).toMatchObject({ authorization: 'Bearer first', 'content-type': 'application/json', 'content-length': '14' });
  });

  /** Refuses the first token, and has another one written, once credentials may be read again. */
  const renewToken = (response: ServerResponse): void => {
    writeFileSync(tokenFile(), 'second');
    setTimeout(() => response.writeHead(401).end('{"message":"Unauthorized"}'), 1_050);
  };

  it('is repeated once with a renewed token', async () => {
    answer = ({ headers }, response) => (headers.authorization === 'Bearer second' ? response.end('{"ok":true}') : renewToken(response));
    expect((await send()).object).toEqual({ ok: true });
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second']);
  });

  it('fails where its response has more bytes than it allows', async () => {
    answer = (_request, response) => response.end('x'.repeat(10_000));
    expect(await failureOf(send({ maxBytes: 9_999 }))).toMatchObject({
      tooLarge: true,
      message: expect.stringContaining('more than 9999 bytes'),
    });
  });

  /** Sends until it is cut off. */
  const sendWithoutEnd = (response: ServerResponse, status = 200): Promise<void> =>
    new Promise((resolve) => {
      const chunk = 'x'.repeat(256 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response
        .writeHead(status)
        .on('drain', more)
        .on('close', () => resolve());
      more();
    });

  it('reads an object of unknown length up to the largest size of one', async () => {
    let cut: Promise<void> | undefined;
    answer = (_request, response) => {
      cut = sendWithoutEnd(response);
    };
    expect(await failureOf(send())).toMatchObject({ tooLarge: true });
    await cut;
  });

  it('reads a list of one object up to the largest size of one', async () => {
    const limits: (string | null)[] = [];
    answer = ({ url }, response) => {
      limits.push(new URL(url ?? '', 'http://x').searchParams.get('limit'));
      void sendWithoutEnd(response);
    };
    expect(await failureOf(listAll(client, { kind: NAMESPACE_KIND, options: { pageSize: 2 } }, signal))).toMatchObject({ tooLarge: true });
    expect(limits).toEqual(['2', '1']);
  });

  it('reads only a part of a refused watch or of one of its lines', async () => {
    let cut: Promise<void> | undefined;
    answer = (_request, response) => {
      cut = sendWithoutEnd(response, 500);
    };
    expect(await failureOf(client.stream({ ...GET, silenceMs: 60_000 }, signal))).toMatchObject({ status: 500 });
    await cut;
    answer = (_request, response) => {
      cut = sendWithoutEnd(response);
    };
    const request = { kind: NAMESPACE_KIND, options: {}, resourceVersion: '1', random: () => 0 };
    expect(await failureOf(watch(client, request, signal).next())).toBeInstanceOf(RangeError);
    await cut;
  });

  it('follows no redirect, and takes no headers without end', async () => {
    answer = ({ url }, response) =>
      url === '/elsewhere' ? response.end('{"ok":true}') : response.writeHead(302, { location: '/elsewhere' }).end();
    expect(await failureOf(send())).toMatchObject({ status: 302 });
    expect(asked).toHaveLength(1);
    answer = (_request, response) => response.setHeader('x', 'x'.repeat(100_000)).end('{}');
    expect(await failureOf(send())).toBeInstanceOf(KubeConnectionError);
  });

  it('treats an object as absent on a 404 with a Status alone', async () => {
    const get = () => failureOf(client.get(NAMESPACE_KIND, { name: 'finance' }, signal));
    answer = (_request, response) => response.writeHead(404).end('{"message":"not found"}');
    expect(await get()).toBeUndefined();
    for (const body of ['', 'null', '[]', '"finance"']) {
      answer = (_request, response) => response.end(body);
      expect(await get(), body).toBeInstanceOf(KubeConnectionError);
    }
    answer = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();
    expect(await get()).toMatchObject({ status: 302 });
  });

  it('fails when its time is up, in the middle of a response and in all attempts together', async () => {
    answer = (_request, response) => void response.write('{');
    const failed = { timedOut: true, message: expect.stringContaining('no response in time') };
    expect(await failureOf(send({ timeoutMs: 50 }))).toMatchObject(failed);
    answer = ({ headers }, response) =>
      headers.authorization === 'Bearer second' ? void setTimeout(() => response.end('{"ok":true}'), 600) : renewToken(response);
    expect(await failureOf(send({ timeoutMs: 1_400 }))).toMatchObject(failed);
  });

  it('extends its time while bytes arrive, on request', async () => {
    answer = async (_request, response) => {
      for (const part of ['{', '"ok"', ':', 'true', '}']) {
        response.write(part);
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      response.end();
    };
    expect((await send({ silenceMs: 5_000 })).object).toEqual({ ok: true });
  });

  it('ends with its signal: before it is sent, while it waits, and in the middle of a response', async () => {
    const reason = new Error('enough');
    expect(await failureOf(send({}, AbortSignal.abort(reason)))).toBe(reason);
    expect(asked).toEqual([]);
    for (const begin of ['', '{']) {
      const stop = new AbortController();
      answer = (_request, response) => {
        if (begin !== '') response.write(begin);
        setTimeout(() => stop.abort(reason), 20);
      };
      expect(await failureOf(send({}, stop.signal))).toBe(reason);
    }
    answer = (_request, response) => response.end('{"ok":true}');
    expect((await send()).object).toEqual({ ok: true });
  });

  it('names the address when the server is gone', async () => {
    server.closeAllConnections();
    server.close();
    const failure = await failureOf(send());
    expect(failure).toBeInstanceOf(KubeConnectionError);
    expect(failure).toMatchObject({
      message: expect.stringMatching(/^GET http:\/\/127\.0\.0\.1:\d+\/clusters\/eu\/?\/version: .*ECONNREFUSED/),
    });
  });

  it('fails once the client is closed', async () => {
    await client.close();
    expect(await failureOf(send())).toMatchObject({ message: expect.stringContaining('the client is closed') });
  });
});
