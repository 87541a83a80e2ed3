import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { RiskReport, type RiskView } from '@fso/shared/api';
import express, { type Response } from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { sendReport } from '../../export/send-lines.ts';
import { riskLines } from './risk-routes.ts';

const OWNERS = 10_000;
/** The longest texts that an agent sends. */
const LONG = 'x'.repeat(512);
const MIB = 1024 * 1024;

const riskOf = (index: number): RiskView => ({
  risk: 'Refused',
  kind: 'Deployment',
  namespace: 'finance',
  name: `d-${index}`,
  reason: LONG,
  fix: LONG,
  confirmation: 'Confirmed',
  cluster: 'eu',
  policy: 'finance',
  fresh: true,
});

const REPORT: RiskReport = {
  generatedAt: '2026-01-01T00:00:00.000Z',
  revision: null,
  risks: Array.from({ length: OWNERS }, (_, index) => riskOf(index)),
  unnamed: { refused: 3, pending: 0 },
  omitted: 1,
  unknownClusters: ['us'],
};

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Sent {
  readonly response: Response;
  /** Settles with the sending. */
  readonly done: Promise<void>;
  /** The answer at a reader that reads nothing yet. */
  readonly answered: Promise<IncomingMessage>;
}

/** Sends the report to a reader. @param prepare is called with the response first */
const send = async (format: 'csv' | 'json', prepare: (response: Response) => void = () => undefined): Promise<Sent> => {
  const app = express();
  const sent = Promise.withResolvers<Omit<Sent, 'answered'>>();
  app.get('/', (_request, response) => {
    prepare(response);
    const done = sendReport(response, REPORT, { list: 'risks', format, csvLines: riskLines });
    sent.resolve({ response, done });
    return done;
  });
  const server = app.listen(0, '127.0.0.1');
  ends.push(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const request = get({ host: '127.0.0.1', port, agent: false });
  const answered = once(request, 'response').then(([answer]) => answer as IncomingMessage);
  answered.catch(() => undefined);
  return { ...(await sent.promise), answered };
};

describe('the export of owners at risk', () => {
  it('waits for a reader that takes its time, and keeps little for it', async () => {
    const { response, answered } = await send('json');
    await expect.poll(() => response.writableNeedDrain).toBe(true);
    expect(response.writableLength).toBeLessThan(MIB);
    expect(response.writableEnded).toBe(false);
    expect(RiskReport.parse(JSON.parse(await text(await answered)))).toEqual(REPORT);
  });

  it('ends when its reader leaves, or is gone before the first line', async () => {
    const { response, answered, done } = await send('json');
    await expect.poll(() => response.writableNeedDrain).toBe(true);
    (await answered).destroy();
    await done;
    expect(response.writableFinished).toBe(false);
    await (await send('csv', (gone) => gone.destroy())).done;
  });

  it('ends its table with lines about what it does not list', async () => {
    const answer = await (await send('csv')).answered;
    const lines = (await text(answer)).trimEnd().split('\r\n');
    expect(answer.headers['content-disposition']).toBe('attachment; filename=fso-risks-20260101T000000Z.csv');
    expect(lines.length).toBe(1 + OWNERS + 3);
    expect(lines.slice(-3)).toEqual([
      expect.stringContaining('3 more are counted'),
      expect.stringContaining('1 more are not listed'),
      expect.stringContaining('Unknown,us,'),
    ]);
  });
});
