import type { ProblemDetails } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { TIME } from './fixtures.ts';
import { startTestServer } from './test-server.ts';

const started = async (count: number) => {
  const server = await startTestServer();
  for (let n = 0; n < count; n += 1)
    await server.ledger.addEvent(n % 2 === 0 ? 'eu' : null, {
      time: TIME,
      severity: n === 0 ? 'alert' : 'info',
      reason: 'Odd',
      message: n === 0 ? '=cmd(), "quoted"' : `event ${n}`,
      policy: 'fso-system/finance',
    });
  const read = (query: string) => fetch(`${server.url}/api/v1/events/export?${query}`);
  return { ...server, read, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

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

  it('has those that the filters of the list mean, as a table that no spreadsheet computes', async () => {
    await using server = await started(5);
    const answer = await server.read('format=csv&severity=alert&cluster=eu&q=odd');
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv/);
    expect((await answer.text()).split('\r\n')).toEqual([
      'id,time,severity,cluster,reason,message,policy,namespace,revision',
      `1,${TIME},alert,eu,Odd,"'=cmd(), ""quoted""",fso-system/finance,,`,
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
