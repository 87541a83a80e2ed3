import { decodeFiles } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import type { Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { FILES } from '../../serve/testing/fleet.ts';
import { Activity } from './activity.ts';
import { readRollouts } from './rollout-store.ts';
import { summaryOf } from './views.ts';

const commitOf = (letter: string) => ({ revision: letter.repeat(40), author: 'Ada', subject: 'Keep', time: '2026-01-03T10:30:00.000Z' });
const decoded = decodeFiles(FILES);
const set = decoded.ok ? decoded.set : expect.fail('not decoded');

let stop: (() => Promise<void>) | undefined;
afterEach(() => stop?.());

interface Database {
  refuses: boolean;
  leads: boolean;
  away: PromiseWithResolvers<void> | undefined;
  writes: number;
}

/**
 * A hub whose database can refuse, can keep everybody waiting, and can be lost together with the
 * lead.
 */
const open = () => {
  const clock = new FakeClock(new Date('2026-01-03T10:30:00.000Z'));
  const memory = createMemoryLedger({ clock });
  const onLead: (() => void)[] = [];
  const database: Database = { refuses: false, leads: true, away: undefined, writes: 0 };
  const reach = async (): Promise<void> => {
    database.writes += 1;
    if (database.refuses) throw new Error('refused');
    await database.away?.promise;
  };
  const ledger: Ledger = {
    ...memory,
    records: { ...memory.records, update: async (...change) => reach().then(() => memory.records.update(...change)) },
    audit: { ...memory.audit, append: async (entry) => reach().then(() => memory.audit.append(entry)) },
    leads: () => database.leads,
    onLead: (handler) => {
      onLead.push(handler);
      if (database.leads) handler();
    },
  };
  const activity = new Activity({
    ledger,
    clock,
    logger: pino({ level: 'silent' }),
    metrics: { enforced: () => undefined, proven: () => undefined },
  });
  const end = new AbortController();
  const done = activity.run(end.signal);
  stop = async () => {
    end.abort();
    await done;
  };
  const times = () => ({ noticed: clock.now().toISOString(), fetched: clock.now().toISOString(), judged: clock.now().toISOString() });
  return {
    clock,
    database,
    take: (letter: string) =>
      activity.take({ commit: commitOf(letter), set, verification: { state: 'unverified' }, times: times(), restored: false }),
    reject: (letter: string) => activity.reject({ commit: commitOf(letter), problems: [{ reason: 'bad' }], times: times() }),
    lead: (now: boolean) => {
      database.leads = now;
      if (now) for (const handler of onLead) handler();
    },
    states: () => readRollouts(memory.records).map((rollout) => `${rollout.commit.revision[0]} ${summaryOf(rollout).state}`),
    audited: async () => (await memory.audit.list({ limit: 100, action: 'policies.change' })).map(({ subject }) => subject[0]),
  };
};
const ALL = ['g inProgress', 'f superseded', 'e superseded', 'd superseded', 'c superseded', 'b rejected', 'a superseded'];

const commits = async ({ clock, take, reject }: ReturnType<typeof open>): Promise<void> => {
  for (const letter of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
    if (letter === 'b') reject(letter);
    else take(letter);
    await clock.advance(2000);
  }
};

it('writes after a refused write once, with what changed meanwhile, and audits it once', async () => {
  const hub = open();
  hub.database.refuses = true;
  await commits(hub);
  expect([hub.states(), await hub.audited()]).toEqual([[], []]);
  hub.database.refuses = false;
  await hub.clock.advance(10_000);
  expect([hub.states(), await hub.audited()]).toEqual([ALL, ['a']]);
  const { writes } = hub.database;
  await hub.clock.advance(20_000);
  expect(hub.database.writes).toBe(writes);
});

it('writes each commit once to a slow database, and all changes once it is back', async () => {
  const hub = open();
  const away = Promise.withResolvers<void>();
  hub.database.away = away;
  await commits(hub);
  await hub.clock.advance(20_000);
  // Seven rollouts, and the entry of the audit log.
  expect([hub.states(), hub.database.writes]).toEqual([[], 8]);
  hub.database.away = undefined;
  away.resolve();
  await hub.clock.advance(10_000);
  expect([hub.states(), await hub.audited()]).toEqual([ALL, ['a']]);
});

it('keeps commits in order while no hub leads', async () => {
  const hub = open();
  hub.take('0');
  await hub.clock.advance(2000);
  hub.database.refuses = true;
  hub.reject('1');
  await hub.clock.advance(2000);
  hub.lead(false);
  await commits(hub);
  hub.database.refuses = false;
  hub.lead(true);
  await hub.clock.advance(10_000);
  expect(hub.states()).toEqual([...ALL, '1 rejected', '0 superseded']);
});

it("writes nothing without the lead, and adds nothing to the leader's records", async () => {
  const hub = open();
  hub.take('a');
  await hub.clock.advance(2000);
  const { writes } = hub.database;
  hub.lead(false);
  hub.take('a');
  await hub.clock.advance(2000);
  expect(hub.database.writes).toBe(writes);
  hub.lead(true);
  await hub.clock.advance(2000);
  expect(hub.states()).toEqual(['a inProgress']);
});
