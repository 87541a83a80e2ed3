import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { describeGitError } from './git-errors.ts';
import { createGitHttp, type PackReceiver } from './git-http.ts';

const handOn: PackReceiver = async (answer) => answer;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
};

const ask = (url: string, limits = { maxBytes: 1000, timeoutMs: 50_000 }) => {
  const http = createGitHttp(limits);
  cleanups.push(() => http.close());
  return http.client(new AbortController().signal, handOn).request({ url });
};
const failure = async (answer: Promise<unknown>): Promise<string> => {
  const error: unknown = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return describeGitError(error, 'main');
};

describe('HTTP for Git', () => {
  it('hands on status, headers and body', async () => {
    const url = await serve((_request, response) => void response.writeHead(200, { 'Content-Type': 'text/x' }).end('body'));
    const answer = await ask(url);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers?.['content-type']).toBe('text/x');
    const parts: Uint8Array[] = [];
    for await (const part of answer.body ?? []) parts.push(part);
    expect(Buffer.concat(parts).toString()).toBe('body');
  });

  it('never follows a redirect, so credentials stay with the configured host', async () => {
    let asked = 0;
    const elsewhere = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    const url = await serve((_request, response) => void response.writeHead(302, { Location: elsewhere }).end());
    expect(await failure(ask(url))).toMatch(/redirects/);
    expect(asked).toBe(0);
  });

  it('stops reading a response that is too large', async () => {
    const url = await serve((_request, response) => {
      response.write('x'.repeat(2000));
    });
    expect(await failure(ask(url))).toBe('the Git server sent more than 1000 bytes');
  });

  it('gives up on a missing response', async () => {
    const url = await serve(() => undefined);
    expect(await failure(ask(url, { maxBytes: 1000, timeoutMs: 50 }))).toMatch(/in time/);
  });

  it('reports a broken connection', async () => {
    const url = await serve((request) => void request.socket.destroy());
    expect(await failure(ask(url))).toMatch(/^cannot reach the Git server: connection/);
  });

  it('retries on another connection where the server closed a kept one', async () => {
    const used = new WeakSet<Socket>();
    const url = await serve((request, response) => {
      if (used.has(request.socket)) return void request.socket.destroy();
      used.add(request.socket);
      response.end('body');
    });
    const http = createGitHttp({ maxBytes: 1000, timeoutMs: 50_000 });
    cleanups.push(() => http.close());
    for (let n = 0; n < 3; n += 1) {
      const answer = await http.client(new AbortController().signal, handOn).request({ url });
      expect(answer.statusCode).toBe(200);
    }
  });
});
