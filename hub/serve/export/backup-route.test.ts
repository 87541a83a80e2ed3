import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { startApiHarness } from '../testing/api-harness.ts';

const TOKEN = 'static-token-0123456789';

/** Keeps what the hub logs. */
const startServer = async (backup: (target: Writable) => Promise<unknown>) => {
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  const server = await startApiHarness({ apiToken: TOKEN, backup, logger, unreadMs: 100 });
  const request = get(`${server.url}/api/v1/backup`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { server, response, logged: () => lines.join('') };
};

const writeForever = async (target: Writable): Promise<void> => {
  const failed = once(target, 'error').then(([error]) => {
    throw error;
  });
  const chunk = Buffer.alloc(1024 * 1024);
  for (;;) await Promise.race([failed, new Promise((resolve) => target.write(chunk, resolve))]);
};

it('ends, and logs why, where its reader reads nothing', async () => {
  const { server, response, logged } = await startServer(writeForever);
  await using _ = server;
  response.pause();
  await expect.poll(logged).toMatch(/its reader read nothing for 0\.1 s.*a backup was not sent to its end/);
});

it('is cut short, and logs why, where the database fails', async () => {
  const { server, response, logged } = await startServer(async (target) => {
    // More than the hub keeps back.
    await new Promise((resolve) => target.write(Buffer.alloc(1024 * 1024), resolve));
    throw new Error('the database is gone');
  });
  await using _ = server;
  await expect(response.toArray()).rejects.toThrow('aborted');
  expect(logged()).toMatch(/the database is gone.*a backup was not sent to its end/);
});
