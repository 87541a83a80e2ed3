import { describe, expect, it } from 'vitest';
import { AWAY, openAlertingHubs } from './testing/alerting-hubs.ts';
import type { Answer } from './testing/receiver-server.ts';

describe('a hub that leads', () => {
  it('looks once at changes of many seconds where a look takes long', async () => {
    await using opened = await openAlertingHubs();
    const { state, ledger, start, until, clock } = opened;
    const { end } = start();
    state.listMs = 1_000;
    await until(() => state.looks > 1);
    await opened.pass(1);
    const before = state.looks;
    for (let second = 0; second < 10; second += 1) {
      await ledger.setConnected(`cluster-${second}`, true);
      await clock.advance(1_000);
    }
    expect(state.looks).toBeLessThanOrEqual(before + 1);
    state.listMs = 0;
    await until(() => state.looks > before + 2);
    await end();
  });

  it.each([
    ['until they have reported', 20],
    ['for a minute at most', undefined],
  ])('leaves the cores to agents that come back, %s', async (_until, greetedAfter) => {
    await using opened = await openAlertingHubs();
    const { state, start, pass } = opened;
    state.isAwaitingAgents = true;
    const { end } = start();
    let seconds = 0;
    for (; state.looks === 0 && seconds < 90; seconds += 1) {
      if (seconds === greetedAfter) state.isAwaitingAgents = false;
      await pass(1 / 60);
    }
    expect(seconds).toBeGreaterThan(greetedAfter ?? 59);
    expect(seconds).toBeLessThan((greetedAfter ?? 60) + 5);
    await end();
  });

  it('notifies of an alert, repeats it, and notifies of its end', async () => {
    await using opened = await openAlertingHubs();
    const { state, start, until, statuses, clock } = opened;
    const { alerts, end } = start();
    state.issues = [AWAY];
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
    state.issues = [{ ...AWAY, labels: { cluster: 'us' } }];
    await clock.advance(86_400_000);
    await until(() => alerts.list().length === 1);
    await end();
  });

  it('tries again under the same key, later each time, and not before the receiver allows it', async () => {
    await using opened = await openAlertingHubs();
    const { state, server, start, until, keys, clock } = opened;
    const answers: Answer[] = [{ status: 500 }, { status: 503 }, { status: 429, headers: { 'retry-after': '600' } }];
    const times: number[] = [];
    server.answer = () => {
      times.push(clock.now().getTime());
      return answers.shift() ?? { status: 200 };
    };
    state.issues = [AWAY];
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

  it('gives up a notification that a receiver refuses, audits it, and continues with the next', async () => {
    await using opened = await openAlertingHubs();
    const { state, server, start, until, keys, ledger } = opened;
    server.answer = () => ({ status: 400, body: 'no such thing' });
    state.issues = [AWAY];
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

  it('sends under its key what the previous leader recorded, and notifies of what ended meanwhile', async () => {
    await using opened = await openAlertingHubs();
    const { state, server, start, until, keys, statuses } = opened;
    server.answer = () => ({ status: 500 });
    state.issues = [AWAY];
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

  it("notifies receivers of an alert's end after other routes took it over, under the same key", async () => {
    await using opened = await openAlertingHubs();
    const { state, start, until, server } = opened;
    const told = (): [string, string][] =>
      server.received.map(({ body }) => {
        const { status, groupKey } = JSON.parse(body) as { status: string; groupKey: string };
        return [status, groupKey];
      });
    state.issues = [AWAY];
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

  it('notifies of the end also when the receiver was away for more than a day', async () => {
    await using opened = await openAlertingHubs();
    const { state, start, until, server, clock } = opened;
    state.issues = [AWAY];
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

  it('notifies of an alert that was recorded in a failed pass and ended then', async () => {
    await using opened = await openAlertingHubs();
    const { state, start, until, statuses } = opened;
    const { alerts, end } = start();
    state.beforeWrite = async (kind) => {
      if (kind === 'alert-group') throw new Error('no database');
    };
    state.issues = [AWAY];
    await until(() => alerts.list().length === 1);
    state.issues = [];
    state.beforeWrite = async () => undefined;
    await until(() => statuses().at(-1) === 'resolved');
    await end();
  });
});
