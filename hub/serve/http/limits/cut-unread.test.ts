import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type Response } from 'express';
import { afterEach, expect, it } from 'vitest';
import { cutUnread } from '../../api.ts';

/** Number of bytes that exceeds the buffers of a connection. */
const LARGE = 64 * 1024 * 1024;

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const start = async (answer: (res: Response) => unknown, unreadMs = 100) => {
  const app = express();
  app.use(cutUnread(unreadMs));
  const ended = Promise.withResolvers<boolean>();
  app.get('/', (_req, res) => {
    res.once('close', () => ended.resolve(res.writableFinished));
    answer(res);
  });
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = get(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { response, isFinished: ended.promise };
};

it('ends an answer of which nothing is read', async () => {
  const { response, isFinished } = await start((res) => res.send(Buffer.alloc(LARGE)));
  response.pause();
  expect(await isFinished).toBe(false);
});

it('lets a slow reader read', async () => {
  for (let unreadMs = 1_000; ; unreadMs *= 2) {
    const { response, isFinished } = await start((res) => res.send(Buffer.alloc(LARGE)), unreadMs);
    const begun = performance.now();
    let [last, longestMs] = [begun, 0];
    const note = (): void => {
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    };
    const read = async () => {
      for await (const _chunk of response) {
        note();
        // About a thousand chunks: all of them take longer than it may stand still.
        await delay(unreadMs / 500);
      }
    };
    await read().catch(() => undefined);
    note();
    if (longestMs < unreadMs / 2) {
      expect(await isFinished).toBe(true);
      expect(last - begun).toBeGreaterThan(unreadMs);
      return;
    }
    // A reader that the machine kept from reading for so long shows nothing: once more, slower.
    server.closeAllConnections();
    server.close();
  }
});

it('waits for a hub that is slow to answer', async () => {
  const { response, isFinished } = await start((res) => {
    res.flushHeaders();
    res.once('timeout', () => res.end('late'));
  });
  response.setEncoding('utf8');
  expect((await response.toArray()).join('')).toBe('late');
  expect(await isFinished).toBe(true);
});
