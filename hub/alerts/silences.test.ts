import { describe, expect, it } from 'vitest';
import { AWAY, openAlertingHubs } from './testing/alerting-hubs.ts';

describe('a hub that leads', () => {
  it('writes the end of a maintenance window into the audit log, once', async () => {
    await using opened = await openAlertingHubs();
    const { state, start, until, statuses, ledger, clock } = opened;
    const { alerts, end } = start();
    const at = (ms: number): string => new Date(clock.now().getTime() + ms).toISOString();
    const { id } = await alerts.silence({ matchers: ['cluster=eu'], from: at(2_000), until: at(60_000), reason: 'work' }, 'Ada');
    expect(alerts.silences()).toMatchObject([{ id, state: 'pending', author: 'Ada' }]);
    state.issues = [AWAY];
    await until(() => alerts.list()[0]?.state === 'silenced');
    expect([statuses(), alerts.counts().silenced]).toEqual([[], 1]);
    await until(() => statuses().length === 1);
    await clock.advance(60_000);
    const entries = await ledger.audit.list({ limit: 10 });
    expect(entries.map(({ action, subject }) => [action, subject])).toEqual([['alert.silence-end', id]]);
    await end();
  });

  it('refuses a silence that begins more than a year from now', async () => {
    await using opened = await openAlertingHubs();
    const { start, clock } = opened;
    const { alerts, end } = start();
    const at = (days: number): string => new Date(clock.now().getTime() + days * 86_400_000).toISOString();
    const silence = (from: string, until: string) => alerts.silence({ matchers: ['cluster=eu'], from, until, reason: 'work' }, 'Ada');
    await expect(silence(at(367), at(368))).rejects.toThrow('body from: must be at most a year from now');
    expect(await silence(at(365), at(366))).toMatchObject({ state: 'pending' });
    await end();
  });

  it('leaves room for the silences of others', async () => {
    await using opened = await openAlertingHubs();
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
});
