import { setImmediate } from 'node:timers/promises';
import type { ProblemDetails } from '@fso/shared/api';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { startApiHarness } from '../testing/api-harness.ts';
import { TIME } from '../testing/fleet.ts';

const started = async (count: number) => {
  const server = await startApiHarness();
  for (let n = 0; n < count; n += 1)
    await server.ledger.addEvent(n % 2 === 0 ? 'eu' : null, {
      time: TIME,
      severity: n === 0 ? 'alert' : 'info',
      reason: 'Odd',
      message: n === 0 ? '=cmd(), "quoted"' : `event ${n}`,
      policy: 'finance',
    });
  const read = (query: string) => fetch(`${server.url}/api/v1/events/export?${query}`);
  return { ...server, read, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

const goOn = async (): Promise<number | null> => {
  await setImmediate();
  return 1;
};

/**
 * Serves a ledger whose searches find no event.
 *
 * @param nextOf position at which the next search resumes
 */
const barren = async (nextOf = goOn) => {
  const searches = { count: 0 };
  const searchEvents = async () => {
    searches.count += 1;
    return { events: [], next: await nextOf() };
  };
  const server = await startApiHarness({ ledger: { ...createMemoryLedger({ clock: systemClock }), searchEvents } });
  const open = async () => {
    const reader = new AbortController();
    const answer = await fetch(`${server.url}/api/v1/events/export`, { signal: reader.signal });
    return { answer, leave: () => reader.abort() };
  };
  return { server, searches, open };
};

describe('exports that find nothing', () => {
  it('end when their reader is gone', async () => {
    const { server, searches, open } = await barren();
    await using _ = server;
    const { leave } = await open();
    await expect.poll(() => searches.count).toBeGreaterThan(10);
    leave();
    const searchesInATurn = async (): Promise<number> => {
      const before = searches.count;
      for (let turn = 0; turn < 20; turn += 1) await setImmediate();
      return searches.count - before;
    };
    await expect.poll(searchesInATurn).toBe(0);
  });

  it('are limited for each caller, with a time to retry', async () => {
    const found = Promise.withResolvers<null>();
    const { server, open } = await barren(() => found.promise);
    await using _ = server;
    const opened = [await open(), await open(), await open()];
    expect(opened.map(({ answer }) => answer.status)).toEqual([200, 200, 200]);
    const { answer } = await open();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '5']);
    opened[0]?.leave();
    await expect.poll(async () => (await open()).answer.status).toBe(200);
    found.resolve(null);
  });
});

describe('the export of events', () => {
  it('has every event, newest first, beyond one page', async () => {
    await using server = await started(450);
    const answer = await server.read('');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename=events.jsonl');
    expect(answer.headers.get('content-type')).toMatch(/^application\/jsonl/);
    const events = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: number });
    expect(events.map(({ id }) => id)).toEqual(Array.from({ length: 450 }, (_, n) => 450 - n));
  });

  it("has the events that the list's filters select, as a table without formulas", async () => {
    await using server = await started(5);
    const answer = await server.read('format=csv&severity=alert&cluster=eu&q=odd');
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv/);
    expect((await answer.text()).split('\r\n')).toEqual([
      'id,time,severity,cluster,reason,message,policy,namespace,revision',
      `1,${TIME},alert,eu,Odd,"'=cmd(), ""quoted""",finance,,`,
      '',
    ]);
    expect(await (await server.read('since=2026-01-04T00:00:00Z')).text()).toBe('');
  });

  it.each(['limit=3', 'format=xml', 'severity=bad'])('refuses %s', async (query) => {
    await using server = await started(0);
    const answer = await server.read(query);
    expect([answer.status, ((await answer.json()) as ProblemDetails).detail]).toEqual([400, expect.stringContaining('query parameter')]);
  });
});
