import { describe, expect, it } from 'vitest';
import { AWAY, openAlertingHubs } from './testing/alerting-hubs.ts';

describe('a hub that leads', () => {
  it('sends Alertmanager again what fires while nothing can be written', async () => {
    await using opened = await openAlertingHubs('{receiver: second}');
    const { state, start, until, server, clock } = opened;
    const { alerts, end } = start();
    state.issues = [AWAY];
    await until(() => alerts.list()[0]?.notified.length === 1);
    const written = Promise.withResolvers<void>();
    state.beforeWrite = () => written.promise;
    state.health = { ok: false, since: clock.now().toISOString(), message: 'no database' };
    state.issues = [AWAY, { ...AWAY, alert: 'ClusterNeverSeen' }];
    const aboutIt = (): number => server.received.filter(({ body }) => body.includes('ClusterAway')).length;
    const before = aboutIt();
    await clock.advance(30_000);
    await until(() => aboutIt() >= before + 3);
    state.health = { ok: true };
    written.resolve();
    await end();
  });

  it('excludes its pauses from durations, of a problem and of an outage of the ledger', async () => {
    await using opened = await openAlertingHubs('{receiver: hook, groupWait: 0s, groupInterval: 10s, repeatInterval: 10h}');
    const { state, start, until, statuses, clock } = opened;
    const { alerts, end } = start();
    state.issues = [AWAY];
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

  it('continues the duration of a problem under the next leader, without the time between', async () => {
    await using opened = await openAlertingHubs(undefined, '10m');
    const { state, start, pass, clock } = opened;
    state.issues = [AWAY];
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

  it('starts a duration again after more than an hour without a leader', async () => {
    await using opened = await openAlertingHubs(undefined, '10m');
    const { state, start, pass, clock } = opened;
    state.issues = [AWAY];
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

  it('notifies from memory that the ledger cannot be written, and that it can again', async () => {
    await using opened = await openAlertingHubs();
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
