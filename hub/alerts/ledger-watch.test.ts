import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LedgerHealth } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { fire, identityOf } from './alert.ts';
import { LedgerWatch } from './ledger-watch.ts';
import { setUp } from './notify/setup.ts';
import { Silences } from './silences.ts';
import { alertsConfig, openAlertsFolder } from './testing/alerts-files.ts';
import { startReceiverServer } from './testing/receiver-server.ts';

interface Body {
  readonly key: string;
  readonly groupKey: string;
  readonly status: string;
}

const open = async () => {
  const clock = new FakeClock();
  const folder = await openAlertsFolder();
  const server = await startReceiverServer();
  const secret = await folder.secret('hmac', 'secret');
  const configOf = (name: string) =>
    alertsConfig(`
receivers: [{name: ${name}, webhook: {url: "${server.url}", secretFile: ${secret}}}]
route: {receiver: ${name}, groupBy: []}
rules: {LedgerUnavailable: {for: 0s}}
`);
  const state: { health: LedgerHealth } = { health: { ok: true } };
  const watch = new LedgerWatch({
    ledger: { health: () => state.health, leads: () => true },
    silences: new Silences(createMemoryLedger({ clock }).records, clock),
    clock,
    pausedMs: () => 0,
    logger: pino({ level: 'silent' }),
    random: () => 0.5,
    hubUrl: undefined,
  });
  const stop = new AbortController();
  return {
    clock,
    server,
    configOf,
    look: (config: ReturnType<typeof configOf>) => watch.look(config, stop.signal),
    fail: () => {
      state.health = { ok: false, since: clock.now().toISOString(), message: 'disk full' };
    },
    recover: () => {
      state.health = { ok: true };
    },
    bodies: () => server.received.map(({ body }) => JSON.parse(body) as Body),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};

describe('the alert that the ledger cannot be written', () => {
  it('has a group of its own: its end does not end the other alerts of the route', async () => {
    await using opened = await open();
    const { look, fail, recover, bodies, configOf } = opened;
    const config = configOf('hook');
    const identified = { name: 'SourceUnreachable', severity: 'critical', labels: {} } as const;
    const other = fire({ ...identified, identity: identityOf(identified), details: '', isCurrent: true }, 0);
    await look(config);
    fail();
    await look(config);
    recover();
    await look(config);
    expect(bodies().map(({ status }) => status)).toEqual(['firing', 'resolved']);
    expect(new Set(bodies().map(({ groupKey }) => groupKey)).size).toBe(1);
    expect(
      setUp(config)
        .groupsOf(other)
        .map(({ place }) => place.key),
    ).not.toContain(bodies()[0]?.groupKey);
  });

  it('is a new alert at the next outage, also where a former receiver is gone', async () => {
    await using opened = await open();
    const { look, fail, recover, bodies, configOf, clock } = opened;
    await look(configOf('hook'));
    fail();
    await look(configOf('hook'));
    recover();
    await look(configOf('other'));
    await clock.advance(60_000);
    fail();
    await look(configOf('other'));
    await look(configOf('other'));
    expect(bodies().map(({ status }) => status)).toEqual(['firing', 'firing']);
    expect(new Set(bodies().map(({ key }) => key)).size).toBe(2);
  });

  it('is retried, later each time', async () => {
    await using opened = await open();
    const { look, fail, bodies, configOf, clock, server } = opened;
    server.answer = () => ({ status: 500 });
    await look(configOf('hook'));
    fail();
    for (let at = 0; at < 40; at += 1) {
      await look(configOf('hook'));
      await clock.advance(15_000);
    }
    expect(bodies().length).toBeLessThan(20);
  });

  it('is not sent again before its receiver asks for that', async () => {
    await using opened = await open();
    const { look, fail, bodies, configOf, clock, server } = opened;
    server.answer = () => ({ status: 503, headers: { 'retry-after': '600' } });
    await look(configOf('hook'));
    fail();
    const sent: number[] = [];
    for (const seconds of [0, 599, 1]) {
      await clock.advance(1000 * seconds);
      await look(configOf('hook'));
      sent.push(bodies().length);
    }
    expect(sent).toEqual([1, 1, 2]);
  });
});
