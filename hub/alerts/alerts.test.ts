import { setImmediate } from 'node:timers/promises';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { KeyedStore, LedgerHealth } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { createHubMetrics } from '../metrics.ts';
import { Alerts } from './alerts.ts';
import { AlertsFile } from './alerts-file-reader.ts';
import type { Issue } from './issue.ts';
import { alertsConfig, openAlertsFolder } from './testing/alerts-files.ts';
import { type Answer, startReceiverServer } from './testing/receiver-server.ts';

const away: Issue = {
  alert: 'ClusterAway',
  severity: 'warning',
  labels: { cluster: 'eu' },
  problem: 'Not connected.',
  since: null,
  isCurrent: true,
};

/** Loops of one hub: it evaluates the fleet, watches the ledger and sends alerts again. */
const LOOPS = 3;

/** Hubs one after the other on one ledger, with one receiver. */
const open = async (route = '{receiver: hook, groupWait: 0s, groupInterval: 10s, repeatInterval: 1h}', awayFor = '5s') => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const folder = await openAlertsFolder();
  const server = await startReceiverServer();
  const secret = await folder.secret('hmac', 'secret');
  const textOf = (routeText: string): string => `
receivers:
  - {name: hook, webhook: {url: "${server.url}", secretFile: ${secret}}}
  - {name: second, alertmanager: {url: "${server.url}/am"}}
route: ${routeText}
rules: {ClusterAway: {for: ${awayFor}}}
`;
  const config = alertsConfig(textOf(route));
  const path = await folder.write('alerts.yaml', textOf(route));
  const state: { issues: Issue[]; health: LedgerHealth; pausedMs: number; beforeWrite: (kind: string) => Promise<void> } = {
    issues: [],
    health: { ok: true },
    pausedMs: 0,
    beforeWrite: async () => undefined,
  };
  const records: KeyedStore = {
    ...ledger.records,
    update: async (kind, name, change) => {
      await state.beforeWrite(kind);
      return ledger.records.update(kind, name, change);
    },
  };
  const registry = new Registry();
  const { alerts: metrics } = createHubMetrics(registry);
  const start = () => {
    const stop = new AbortController();
    const logger = pino({ level: 'silent' });
    const alerts = new Alerts({
      ledger: { ...ledger, records, health: () => state.health },
      issues: async () => ({ hub: [], policies: [], clusters: new Map([['eu', state.issues]]) }),
      file: new AlertsFile(path, config, logger),
      clock,
      pausedMs: () => state.pausedMs,
      logger,
      random: () => 0.5,
      metrics,
      hubUrl: 'https://fso.example.com',
    });
    const done = alerts.run(stop.signal);
    return {
      alerts,
      end: async () => {
        stop.abort();
        await done;
      },
    };
  };
  /** Minutes in which the hub does all that it is to do. */
  const pass = async (minutes: number): Promise<void> => {
    for (let second = 0; second < minutes * 60; second += 1) {
      await clock.advance(1_000);
      while (clock.sleeping < LOOPS) await setImmediate();
    }
  };
  /** Advances the clock until the condition holds. */
  const until = (look: () => boolean): Promise<void> =>
    expect
      .poll(async () => {
        await clock.advance(1_000);
        return look();
      })
      .toBe(true);
  return {
    clock,
    ledger,
    server,
    state,
    /** Changes the file. */
    reroute: (routeText: string) => folder.write('alerts.yaml', textOf(routeText)),
    registry,
    start,
    pass,
    until,
    keys: () => server.received.map(({ headers }) => headers['idempotency-key']),
    statuses: () => server.received.map(({ body }) => (JSON.parse(body) as { status: string }).status),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};

describe('a hub that leads', () => {
  it('notifies of an alert, repeats it, and says when it has ended', async () => {
    await using opened = await open();
    const { state, start, until, statuses, clock } = opened;
    const { alerts, end } = start();
    state.issues = [away];
    await until(() => alerts.list()[0]?.notified.length === 1);
    expect(alerts.list()).toMatchObject([{ name: 'ClusterAway', state: 'firing', path: '/clusters/eu', notified: [{ receiver: 'hook' }] }]);
    expect(alerts.counts()).toEqual({ critical: 0, warning: 1, info: 0, silenced: 0 });
    await clock.advance(3_590_000);
    expect(statuses()).toEqual(['firing']);
    await until(() => statuses().length === 2);
    state.issues = [];
    await until(() => statuses().length === 3);
    expect(statuses()).toEqual(['firing', 'firing', 'resolved']);
    expect(alerts.list()).toMatchObject([{ state: 'resolved' }]);
    // After a day it is forgotten, and so is what was told.
    state.issues = [{ ...away, labels: { cluster: 'us' } }];
    await clock.advance(86_400_000);
    await until(() => alerts.list().length === 1);
    await end();
  });

  it('tries again under the same key, later each time, and not before the receiver wants it', async () => {
    await using opened = await open();
    const { state, server, start, until, keys, clock } = opened;
    const answers: Answer[] = [{ status: 500 }, { status: 503 }, { status: 429, headers: { 'retry-after': '600' } }];
    const times: number[] = [];
    server.answer = () => {
      times.push(clock.now().getTime());
      return answers.shift() ?? { status: 200 };
    };
    state.issues = [away];
    const { alerts, end } = start();
    await until(() => keys().length === 3);
    await until(() => alerts.receivers()[0]?.lastFailure?.reason === 'HTTP 429');
    expect(alerts.receivers()[0]).toMatchObject({ waiting: 1, lastSuccess: null, lastFailure: { permanent: false } });
    await clock.advance(598_000);
    await until(() => alerts.receivers()[0]?.lastSuccess !== null);
    expect(new Set(keys()).size).toBe(1);
    expect((times[3] ?? 0) - (times[2] ?? 0)).toBeGreaterThanOrEqual(600_000);
    expect(await opened.registry.metrics()).toContain('fso_hub_notifications_total{kind="webhook",result="failed"} 3');
    await end();
  });

  it('gives up what a receiver refuses, with an entry of the audit log, and goes on with what comes next', async () => {
    await using opened = await open();
    const { state, server, start, until, keys, ledger } = opened;
    server.answer = () => ({ status: 400, body: 'no such thing' });
    state.issues = [away];
    const { alerts, end } = start();
    await until(() => alerts.receivers()[0]?.lastFailure?.permanent === true);
    expect(await ledger.audit.list({ limit: 1 })).toMatchObject([
      { action: 'alert.notification-refused', subject: 'hook', detail: { reason: 'HTTP 400: no such thing', key: keys()[0] } },
    ]);
    server.answer = () => ({ status: 200 });
    state.issues = [];
    await until(() => alerts.receivers()[0]?.lastSuccess !== null);
    expect(new Set(keys()).size).toBe(2);
    await end();
  });

  it('sends what the one before it had recorded, under its key, and tells of what ended meanwhile', async () => {
    await using opened = await open();
    const { state, server, start, until, keys, statuses } = opened;
    server.answer = () => ({ status: 500 });
    state.issues = [away];
    const first = start();
    await until(() => keys().length === 1);
    await first.end();
    state.issues = [];
    server.answer = () => ({ status: 200 });
    const second = start();
    await until(() => statuses().at(-1) === 'resolved');
    expect(statuses()).toEqual(['firing', 'firing', 'resolved']);
    expect(keys()[1]).toBe(keys()[0]);
    await second.end();
  });

  it('ends what other routes have now where it was told, under the same key', async () => {
    await using opened = await open();
    const { state, start, until, server } = opened;
    const told = (): [string, string][] =>
      server.received.map(({ body }) => {
        const { status, groupKey } = JSON.parse(body) as { status: string; groupKey: string };
        return [status, groupKey];
      });
    state.issues = [away];
    const { alerts, end } = start();
    await until(() => alerts.list()[0]?.notified.length === 1);
    const [[, before] = []] = told();
    await opened.reroute('{receiver: hook, groupBy: [cluster], groupWait: 0s, groupInterval: 10s}');
    await until(() => told().length === 3);
    const [, after] = told().find(([status, key]) => status === 'firing' && key !== before) ?? [];
    expect(told().slice(1)).toEqual(
      expect.arrayContaining([
        ['resolved', before],
        ['firing', after],
      ]),
    );
    state.issues = [];
    await until(() => told().length === 4);
    expect(told()[3]).toEqual(['resolved', after]);
    await end();
  });

  it('tells of the end also when the receiver was away for more than a day', async () => {
    await using opened = await open();
    const { state, start, until, server, clock } = opened;
    state.issues = [away];
    const { alerts, end } = start();
    await until(() => alerts.list()[0]?.notified.length === 1);
    const answered: string[] = [];
    server.answer = () => ({ status: 503 });
    state.issues = [];
    await until(() => alerts.receivers()[0]?.waiting === 1);
    await clock.advance(90_000_000);
    server.answer = ({ body }) => {
      answered.push((JSON.parse(body) as { status: string }).status);
      return { status: 200 };
    };
    await clock.advance(300_000);
    await until(() => answered.length > 0);
    expect(answered).toEqual(['resolved']);
    await until(() => alerts.list().length === 0);
    await end();
  });

  it('tells of one that was recorded when its look failed, and ended then', async () => {
    await using opened = await open();
    const { state, start, until, statuses } = opened;
    const { alerts, end } = start();
    state.beforeWrite = async (kind) => {
      if (kind === 'alert-group') throw new Error('no database');
    };
    state.issues = [away];
    await until(() => alerts.list().length === 1);
    state.issues = [];
    state.beforeWrite = async () => undefined;
    await until(() => statuses().at(-1) === 'resolved');
    await end();
  });

  it('sends Alertmanager again what fires while nothing can be written', async () => {
    await using opened = await open('{receiver: second}');
    const { state, start, until, server, clock } = opened;
    const { alerts, end } = start();
    state.issues = [away];
    await until(() => alerts.list()[0]?.notified.length === 1);
    const written = Promise.withResolvers<void>();
    state.beforeWrite = () => written.promise;
    state.health = { ok: false, since: clock.now().toISOString(), message: 'no database' };
    state.issues = [away, { ...away, alert: 'ClusterNeverSeen' }];
    const aboutIt = (): number => server.received.filter(({ body }) => body.includes('ClusterAway')).length;
    const before = aboutIt();
    await clock.advance(30_000);
    await until(() => aboutIt() >= before + 3);
    state.health = { ok: true };
    written.resolve();
    await end();
  });

  it('writes the end of a maintenance window into the audit log, once', async () => {
    await using opened = await open();
    const { state, start, until, statuses, ledger, clock } = opened;
    const { alerts, end } = start();
    const at = (ms: number): string => new Date(clock.now().getTime() + ms).toISOString();
    const { id } = await alerts.silence({ matchers: ['cluster=eu'], from: at(2_000), until: at(60_000), reason: 'work' }, 'Ada');
    expect(alerts.silences()).toMatchObject([{ id, state: 'pending', author: 'Ada' }]);
    state.issues = [away];
    await until(() => alerts.list()[0]?.state === 'silenced');
    expect([statuses(), alerts.counts().silenced]).toEqual([[], 1]);
    await until(() => statuses().length === 1);
    await clock.advance(60_000);
    const entries = await ledger.audit.list({ limit: 10 });
    expect(entries.map(({ action, subject }) => [action, subject])).toEqual([['alert.silence-end', id]]);
    await end();
  });

  it('begins at most a year from now', async () => {
    await using opened = await open();
    const { start, clock } = opened;
    const { alerts, end } = start();
    const at = (days: number): string => new Date(clock.now().getTime() + days * 86_400_000).toISOString();
    const silence = (from: string, until: string) => alerts.silence({ matchers: ['cluster=eu'], from, until, reason: 'work' }, 'Ada');
    await expect(silence(at(367), at(368))).rejects.toThrow('body from: must be at most a year from now');
    expect(await silence(at(365), at(366))).toMatchObject({ state: 'pending' });
    await end();
  });

  it('leaves room for the silences of others', async () => {
    await using opened = await open();
    const { start, clock } = opened;
    const { alerts, end } = start();
    const until = new Date(clock.now().getTime() + 60_000).toISOString();
    const silence = (author: string) => alerts.silence({ matchers: ['cluster=eu'], until, reason: 'work' }, author);
    for (let made = 0; made < 50; made += 1) await silence('Ada');
    await expect(silence('Ada')).rejects.toThrow('Ada has 50 silences: end some first.');
    await silence('Bo');
    expect(alerts.silences()).toHaveLength(51);
    await end();
  });

  it('does not count the time in which it was paused, of a problem or of an outage of the ledger', async () => {
    await using opened = await open('{receiver: hook, groupWait: 0s, groupInterval: 10s, repeatInterval: 10h}');
    const { state, start, until, statuses, clock } = opened;
    const { alerts, end } = start();
    state.issues = [away];
    await clock.advance(3_000);
    const pause = (): void => {
      clock.stall(3_600_000);
      state.pausedMs += 3_600_000;
    };
    pause();
    await clock.advance(1_000);
    expect(alerts.list()).toEqual([]);
    await until(() => statuses().length === 1);
    state.health = { ok: false, since: clock.now().toISOString(), message: 'disk full' };
    pause();
    await clock.advance(45_000);
    expect(statuses()).toEqual(['firing']);
    await until(() => statuses().length === 2);
    await end();
  });

  it('goes on counting how long a problem lasts where the hub before ended, without the time in which none looked', async () => {
    await using opened = await open(undefined, '10m');
    const { state, start, pass, clock } = opened;
    state.issues = [away];
    const fired: boolean[] = [];
    for (let life = 0; life < 4; life += 1) {
      const { alerts, end } = start();
      await pass(4);
      fired.push(alerts.counts().warning > 0);
      await end();
      clock.stall(20 * 60_000);
    }
    expect(fired).toEqual([false, false, true, true]);
  });

  it('counts from the beginning where no hub looked for more than an hour', async () => {
    await using opened = await open(undefined, '10m');
    const { state, start, pass, clock } = opened;
    state.issues = [away];
    const first = start();
    await pass(9);
    await first.end();
    clock.stall(61 * 60_000);
    const { alerts, end } = start();
    await pass(9);
    expect(alerts.counts().warning).toBe(0);
    await pass(2);
    expect(alerts.counts().warning).toBe(1);
    await end();
  });

  it('says from memory that the ledger cannot be written, and that it can again', async () => {
    await using opened = await open();
    const { state, start, until, statuses, keys, clock } = opened;
    const { end } = start();
    await clock.advance(1_000);
    state.health = { ok: false, since: clock.now().toISOString(), message: 'disk full' };
    await until(() => statuses().length === 1);
    await clock.advance(120_000);
    expect(opened.server.received[0]?.body).toContain('disk full');
    state.health = { ok: true };
    await until(() => statuses().length === 2);
    expect([statuses(), new Set(keys()).size]).toEqual([['firing', 'resolved'], 2]);
    await end();
  });
});

it('an alerts file is read again when it changes; one that is wrong by then changes nothing', async () => {
  await using folder = await openAlertsFolder();
  const text = (name: string): string => `receivers: [{name: ${name}, alertmanager: {url: "http://am"}}]\nroute: {receiver: ${name}}\n`;
  const path = await folder.write('alerts.yaml', text('one'));
  const file = new AlertsFile(path, alertsConfig(text('one')), pino({ level: 'silent' }));
  await file.refresh();
  await folder.write('alerts.yaml', `${text('two')}# another\n`);
  await file.refresh();
  expect(file.config.receivers.map(({ name }) => name)).toEqual(['two']);
  await folder.write('alerts.yaml', 'receivers: []');
  await file.refresh();
  expect(file.config.receivers.map(({ name }) => name)).toEqual(['two']);
});

it('an alerts file is read again when the secret that it names comes later; its problem is logged once', async () => {
  await using folder = await openAlertsFolder();
  const text = (name: string, file: string): string =>
    `receivers: [{name: ${name}, slack: {urlFile: ${file}}}]\nroute: {receiver: ${name}}\n`;
  const secret = await folder.secret('url', 'https://chat.example.com/hook');
  const path = await folder.write('alerts.yaml', text('one', secret));
  const lines: string[] = [];
  const file = new AlertsFile(path, alertsConfig(text('one', secret)), pino({ level: 'error' }, { write: (line) => lines.push(line) }));
  await folder.write('alerts.yaml', text('two', `${secret}-2`));
  await file.refresh();
  await file.refresh();
  expect([file.config.receivers[0]?.name, lines.length]).toEqual(['one', 1]);
  await folder.secret('url-2', 'https://chat.example.com/other');
  await file.refresh();
  expect(file.config.receivers[0]?.name).toBe('two');
});
