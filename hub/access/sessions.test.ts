import { FakeClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { createEnded } from './ended.ts';
import { createSessions, type SessionLimits } from './sessions.ts';
import type { Principal } from './types.ts';

const HOUR = 3_600_000;
const ada: Principal = { kind: 'user', id: 'ada', name: 'Ada', role: 'admin' };
const cookie = { byCookie: true };

const create = (limits: Partial<SessionLimits> = {}) => {
  const [clock, ended] = [new FakeClock(), createEnded()];
  const told: string[] = [];
  ended.listen((key) => told.push(key));
  return { clock, told, ended, sessions: createSessions({ clock, ended, limits }) };
};

describe('sessions', () => {
  it('end when nobody uses them', async () => {
    const { clock, sessions } = create();
    const id = sessions.begin(ada, cookie);
    await clock.advance(8 * HOUR - 1);
    expect(sessions.check(id, cookie)?.principal).toBe(ada);
    await clock.advance(8 * HOUR - 1);
    expect(sessions.check(id, cookie)).toBeDefined();
    await clock.advance(8 * HOUR);
    expect(sessions.check(id, cookie)).toBeUndefined();
  });

  it('end after a day, however much they are used', async () => {
    const { clock, sessions } = create();
    const id = sessions.begin(ada, cookie);
    for (let hour = 1; hour < 24; hour += 1) {
      await clock.advance(HOUR);
      expect(sessions.check(id, cookie)).toBeDefined();
    }
    await clock.advance(HOUR);
    expect(sessions.check(id, cookie)).toBeUndefined();
  });

  it('are not used by a look at them', async () => {
    const { clock, sessions } = create();
    const grant = sessions.check(sessions.begin(ada, cookie), cookie);
    await clock.advance(8 * HOUR - 1);
    expect(await grant?.stillHolds()).toBe(true);
    await clock.advance(1);
    expect(await grant?.stillHolds()).toBe(false);
  });

  it('end at once by logout, and tell so', async () => {
    const { sessions, told } = create();
    const id = sessions.begin(ada, cookie);
    const grant = sessions.check(id, cookie);
    sessions.end(id);
    expect([sessions.check(id, cookie), await grant?.stillHolds(), told]).toEqual([undefined, false, [grant?.key]]);
    expect(grant?.key).not.toContain(id);
  });

  it('of a cookie are none as a bearer token, nor the other way round', () => {
    const { sessions } = create();
    expect(sessions.check(sessions.begin(ada, cookie), { byCookie: false })).toBeUndefined();
    expect(sessions.check(sessions.begin(ada, { byCookie: false }), cookie)).toBeUndefined();
  });

  it('end with what they were traded for, at once', async () => {
    const { ended, sessions, told } = create();
    let holds = true;
    const source = { key: 'token:1', stillHolds: async () => holds };
    const id = sessions.begin(ada, { ...cookie, source });
    const other = sessions.begin(ada, cookie);
    const grant = sessions.check(id, cookie);
    expect(await grant?.stillHolds()).toBe(true);
    holds = false;
    expect(await grant?.stillHolds()).toBe(false);
    ended.tell('token:1');
    expect([sessions.check(id, cookie), told]).toEqual([undefined, ['token:1', grant?.key]]);
    expect(sessions.check(other, cookie)).toBeDefined();
  });

  it('are bounded; the one unused for longest goes', () => {
    const { sessions } = create({ max: 2 });
    const [a, b] = [sessions.begin(ada, cookie), sessions.begin(ada, cookie)];
    sessions.check(a, cookie);
    const c = sessions.begin(ada, cookie);
    expect([a, b, c].map((id) => sessions.check(id, cookie) !== undefined)).toEqual([true, false, true]);
  });
});
