import { createHook } from 'node:async_hooks';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { fixedClock } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { createAccess } from './access.ts';

const open = (apiToken: string) => {
  const { records } = createMemoryLedger({ clock: fixedClock });
  return createAccess({ apiToken }, { clock: new FakeClock(), logger: pino({ level: 'silent' }), records });
};

/** Counts the keys that Node.js derives from secrets during a piece of work. */
const countDerived = async (work: () => Promise<void>): Promise<number> => {
  let derived = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'SCRYPTREQUEST') derived += 1;
    },
  }).enable();
  await work();
  hook.disable();
  return derived;
};

it('derives the key of the static token once for all who bring it first, and never for others', async () => {
  const access = open('s3cret');
  const bring = async (token: string) => {
    const checked = await access.check({ authorization: `Bearer ${token}`, session: undefined });
    return checked.ok ? checked.grant.key : undefined;
  };
  let keys: readonly (string | undefined)[] = [];
  const forOthers = await countDerived(async () => {
    keys = await Promise.all(['wrong', 's3cret2', ''].map(bring));
  });
  expect([keys, forOthers]).toEqual([[undefined, undefined, undefined], 0]);
  const forBearers = await countDerived(async () => {
    keys = await Promise.all(['s3cret', 's3cret', 's3cret'].map(bring));
  });
  expect([new Set(keys).size, keys[0], forBearers]).toEqual([1, expect.stringMatching(/^static:[0-9a-f]{32}$/), 1]);
  expect(await countDerived(async () => void (await bring('s3cret')))).toBe(0);
});
