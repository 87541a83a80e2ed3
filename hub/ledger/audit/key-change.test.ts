import { expect, it } from 'vitest';
import type { AuditLog } from '../audit-log.ts';
import { fixedClock, TIME } from '../testing/ledger.ts';
import { createMemoryLedger } from '../testing/memory-ledger.ts';
import { type AuditKey, createAuditKey } from './key.ts';
import { checkAuditKey, keyChangeOf } from './key-change.ts';
import { readAudit } from './read.ts';
import { verifyAudit } from './verify.ts';

const [old, other] = [createAuditKey(), createAuditKey()];

const createBench = () => {
  const { audit } = createMemoryLedger({ clock: fixedClock });
  const write = (action = 'test.entry') =>
    audit.append({ actor: { kind: 'hub', id: 'hub', roles: [] }, from: null, action, subject: 's', detail: {} });
  const sign = async (key: AuditKey) => audit.addCheckpoint(key.sign({ ...(await audit.head()), time: TIME }));
  const start = (key: AuditKey, accept = false) => checkAuditKey(audit, { id: key.id, file: '/data/audit-key.pem', accept });
  return { audit, write, sign, start };
};
const verifyWith = async (audit: AuditLog, key: string) => verifyAudit(readAudit(audit), { ...(await audit.proofs()), key });

it('refuses to start with another key than the one that signed so far, and explains what to do', async () => {
  const { audit, write, sign, start } = createBench();
  await start(other);
  await write();
  await sign(old);
  await start(old, true);
  await expect(start(other)).rejects.toThrow(/audit-key\.pem is another one .*put that key back\. .*FSO_ACCEPT_NEW_AUDIT_KEY=true/);
  expect((await audit.head()).sequence).toBe(1);
});

it('announces an accepted key in the log, which stays intact, also with a third one', async () => {
  const third = createAuditKey();
  const { audit, write, sign, start } = createBench();
  await write();
  await sign(old);
  for (const [before, after] of [
    [old, other],
    [other, third],
  ] as const) {
    await start(after, true);
    expect(await audit.list({ limit: 1 })).toMatchObject([
      { action: 'audit.key.changed', subject: after.id, detail: { before: before.id, after: after.id } },
    ]);
    // Another hub may sign with the old one until it restarts too.
    await sign(before);
    await write();
    await sign(after);
    await start(after);
    expect(await audit.verify()).toMatchObject({ ok: true, problems: [] });
  }
  expect((await verifyWith(audit, third.id)).ok).toBe(true);
  // A person who noted a key trusts no later one that the owner of the database announces.
  expect((await verifyWith(audit, other.id)).problems.map(({ message }) => message)).toEqual([expect.stringContaining(third.id)]);
});

it('reports a change that no entry announces, or that an entry announces for another key', async () => {
  const { audit, write, sign } = createBench();
  await write();
  await sign(old);
  await write();
  await sign(other);
  expect((await audit.verify()).problems).toEqual([{ sequence: 1, message: expect.stringContaining(`another key (${old.id})`) }]);

  const announced = createBench();
  await announced.write();
  await announced.sign(old);
  await announced.start(other, true);
  // The key that is announced has signed nothing.
  expect((await verifyWith(announced.audit, other.id)).ok).toBe(false);
});

it('accepts no announcement by an entry that was truncated', () => {
  const whole = {
    sequence: 1,
    action: 'audit.key.changed',
    actor: { kind: 'hub', id: 'hub', roles: [] },
    detail: { before: 'a', after: 'b' },
  };
  expect(keyChangeOf(whole as never)).toEqual({ sequence: 1, before: 'a', after: 'b' });
  for (const part of ['action', 'actor', 'detail']) expect(keyChangeOf({ ...whole, [part]: undefined } as never)).toBeUndefined();
});
