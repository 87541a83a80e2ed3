import type { RoleGrant } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type KeyedStore, SESSION_KIND } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { type Principal, principalOf, Revocations } from './principal.ts';
import { createSessionStore } from './session-store.ts';
import { createSessions, type SessionLimits } from './sessions.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ada: Principal = { kind: 'user', id: 'ada', name: 'Ada', role: 'admin', grants: [{ role: 'admin' }] };
const cookie = { byCookie: true };

interface World {
  readonly clock: FakeClock;
  readonly records: KeyedStore;
  /** Keys of what sessions depend on that would be taken. */
  readonly sources: Set<string>;
  /** Writes of the records. */
  writes: number;
}

const createWorld = (): World => {
  const clock = new FakeClock();
  const { records } = createMemoryLedger({ clock });
  const world: World = { clock, records: { ...records, update: (...change) => count(...change) }, sources: new Set(), writes: 0 };
  const count: KeyedStore['update'] = (...change) => {
    world.writes += 1;
    return records.update(...change);
  };
  return world;
};

/** A hub on the records of a world: the first one, another one beside it, or a restarted one. */
const createHub = ({ clock, records, sources }: World, limits: Partial<SessionLimits> = {}) => {
  const revocations = new Revocations();
  const ended: string[] = [];
  revocations.subscribe((key) => ended.push(key));
  const holds = async (source: string) => sources.has(source);
  const store = createSessionStore(records);
  return { revocations, ended, sessions: createSessions({ store, holds, clock, revocations, logger: pino({ level: 'silent' }), limits }) };
};

const create = (limits: Partial<SessionLimits> = {}) => {
  const world = createWorld();
  return { world, ...world, ...createHub(world, limits) };
};

const stored = (records: KeyedStore): string => JSON.stringify(records.list(SESSION_KIND));

describe('sessions', () => {
  it('keep their scope, and cannot be read by a version that would take its role for one everywhere', async () => {
    const { world, sessions, records } = create();
    const grants: RoleGrant[] = [{ role: 'viewer' }, { role: 'admin', clusters: { clusterNames: ['eu'] } }];
    const scoped = principalOf({ kind: 'user', id: 'eva', name: 'Eva' }, grants);
    const id = await sessions.begin(scoped, cookie);
    expect(createHub(world).sessions.check(id, cookie)?.principal).toEqual(scoped);
    const [record] = records.list(SESSION_KIND).flat();
    expect(record).toMatchObject({ principal: { id: 'eva', grants } });
    expect(record).not.toHaveProperty('principal.role');
    await sessions.begin(ada, cookie);
    expect(stored(records)).toContain('"name":"Ada","role":"admin"}');
  });

  it('end when they are not used', async () => {
    const { clock, sessions } = create();
    const id = await sessions.begin(ada, cookie);
    await clock.advance(8 * HOUR - 1);
    expect(sessions.check(id, cookie)?.principal).toEqual(ada);
    await clock.advance(8 * HOUR - 1);
    expect(sessions.check(id, cookie)).toBeDefined();
    await clock.advance(8 * HOUR);
    expect(sessions.check(id, cookie)).toBeUndefined();
  });

  it('end after a day, however much they are used', async () => {
    const { clock, sessions } = create();
    const id = await sessions.begin(ada, cookie);
    for (let hour = 1; hour < 24; hour += 1) {
      await clock.advance(HOUR);
      expect(sessions.check(id, cookie)).toBeDefined();
    }
    await clock.advance(HOUR);
    expect(sessions.check(id, cookie)).toBeUndefined();
  });

  it('are not extended by a look at them', async () => {
    const { clock, sessions } = create();
    const grant = sessions.check(await sessions.begin(ada, cookie), cookie);
    await clock.advance(8 * HOUR - 1);
    expect(await grant?.stillHolds()).toBe(true);
    await clock.advance(1);
    expect(await grant?.stillHolds()).toBe(false);
  });

  it('end at once by logout, and notify their streams', async () => {
    const { records, sessions, ended } = create();
    const id = await sessions.begin(ada, cookie);
    const grant = sessions.check(id, cookie);
    const done = sessions.end(id);
    expect([sessions.check(id, cookie), await grant?.stillHolds(), ended]).toEqual([undefined, false, [grant?.key]]);
    expect(grant?.key).not.toContain(id);
    await done;
    expect([sessions.check(id, cookie), ended, records.list(SESSION_KIND)]).toEqual([undefined, [grant?.key], []]);
  });

  it('are valid only as a cookie or only as a bearer token', async () => {
    const { sessions } = create();
    expect(sessions.check(await sessions.begin(ada, cookie), { byCookie: false })).toBeUndefined();
    expect(sessions.check(await sessions.begin(ada, { byCookie: false }), cookie)).toBeUndefined();
  });

  it('end with the credentials they were made from, at once', async () => {
    const { revocations, sessions, sources, ended } = create();
    sources.add('token:1');
    const id = await sessions.begin(ada, { ...cookie, source: 'token:1' });
    const other = await sessions.begin(ada, cookie);
    const grant = sessions.check(id, cookie);
    expect([grant?.source, await grant?.stillHolds()]).toEqual(['token:1', true]);
    sources.clear();
    expect(await grant?.stillHolds()).toBe(false);
    revocations.publish('token:1');
    expect([sessions.check(id, cookie), ended]).toEqual([undefined, ['token:1', grant?.key]]);
    expect(sessions.check(other, cookie)).toBeDefined();
  });

  it('are bounded; the one unused for longest goes', async () => {
    const { clock, sessions } = create({ max: 2 });
    const [a, b] = [await sessions.begin(ada, cookie), await sessions.begin(ada, cookie)];
    await clock.advance(1);
    sessions.check(a, cookie);
    const c = await sessions.begin(ada, cookie);
    expect([a, b, c].map((id) => sessions.check(id, cookie) !== undefined)).toEqual([true, false, true]);
  });
});

describe('sessions in the records', () => {
  it('survive a restart of the hub, as their hashes alone', async () => {
    const { world, clock, records, sessions } = create();
    const [id, bearer] = [
      await sessions.begin(ada, { ...cookie, endsAt: clock.now().getTime() + HOUR }),
      await sessions.begin(ada, { byCookie: false }),
    ];
    expect(stored(records)).not.toContain(id);
    const before = sessions.check(id, cookie);
    const { sessions: restarted } = createHub(world);
    const after = restarted.check(id, cookie);
    expect([after?.principal, after?.key, after?.expiresAt]).toEqual([ada, before?.key, before?.expiresAt]);
    expect(restarted.check(bearer, { byCookie: false })?.principal).toEqual(ada);
    await clock.advance(HOUR);
    expect(restarted.check(id, cookie)).toBeUndefined();
  });

  it('begin and end at every hub, also for its open requests', async () => {
    const { world, sessions } = create();
    const other = createHub(world);
    const id = await sessions.begin(ada, cookie);
    const grant = other.sessions.check(id, cookie);
    expect(await grant?.stillHolds()).toBe(true);
    await sessions.end(id);
    expect([other.sessions.check(id, cookie), await grant?.stillHolds(), other.ended]).toEqual([undefined, false, [grant?.key]]);
  });

  it('are invalid at a hub with other access settings, and valid at one with the same', async () => {
    const { world, sessions, sources } = create();
    sources.add('static:1');
    const id = await sessions.begin(ada, { ...cookie, source: 'static:1' });
    const other = createHub({ ...world, sources: new Set(['static:2']) });
    expect(await other.sessions.check(id, cookie)?.stillHolds()).toBe(false);
    expect(await sessions.check(id, cookie)?.stillHolds()).toBe(true);
  });

  it('record their use every few minutes only, so that other hubs know it too', async () => {
    const { world, clock, sessions } = create();
    const other = createHub(world);
    const id = await sessions.begin(ada, cookie);
    for (let minute = 1; minute <= 8 * 60; minute += 1) {
      await clock.advance(MINUTE);
      sessions.check(id, cookie);
    }
    expect(world.writes).toBe(1 + (8 * 60) / 5);
    await clock.advance(8 * HOUR - 1);
    expect(other.sessions.check(id, cookie)).toBeDefined();
  });

  it('are removed after their end when another begins; an idle one once no hub can have seen a use', async () => {
    const { clock, records, sessions } = create();
    const id = await sessions.begin(ada, { ...cookie, endsAt: clock.now().getTime() + HOUR });
    const idle = await sessions.begin(ada, cookie);
    const [{ key = '' } = {}, { key: idleKey = '' } = {}] = [sessions.check(id, cookie), sessions.check(idle, cookie)];
    const has = (name: string) => stored(records).includes(name.replace('session:', ''));
    await clock.advance(8 * HOUR);
    await sessions.begin(ada, cookie);
    expect([has(key), has(idleKey)]).toEqual([false, true]);
    await clock.advance(5 * MINUTE);
    await sessions.begin(ada, cookie);
    expect(has(idleKey)).toBe(false);
  });

  it('share a bounded number of names, and never revive an ended one', async () => {
    const { records, sessions } = create();
    const names = new Set<string>();
    records.subscribe(SESSION_KIND, (name) => names.add(name));
    const ids: string[] = [];
    for (let i = 0; i < 300; i += 1) ids.push(await sessions.begin(ada, cookie));
    expect([...names].every((name) => /^[0-9a-f]{3}$/.test(name))).toBe(true);
    await Promise.all(ids.filter((_, i) => i % 2 === 0).map((id) => sessions.end(id)));
    expect(ids.map((id) => sessions.check(id, cookie) !== undefined)).toEqual(ids.map((_, i) => i % 2 === 1));
  });

  it('are invalid where they cannot be read, and not kept where they are too long', async () => {
    const { world, records, sessions } = create();
    const id = await sessions.begin(ada, cookie);
    const [name = ''] = (sessions.check(id, cookie)?.key.match(/[0-9a-f]{3}/) ?? []) as string[];
    await records.update(SESSION_KIND, name, (before) => [...(before as unknown[]), { hash: 'x' }, 7]);
    await records.update(SESSION_KIND, 'zzz', () => 'of another version');
    expect(createHub(world).sessions.check(id, cookie)).toBeDefined();
    await expect(sessions.begin({ ...ada, id: 'a'.repeat(256) }, cookie)).rejects.toThrow();
  });
});
