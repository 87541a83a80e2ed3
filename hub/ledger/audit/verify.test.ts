import type { AuditEntry, NewAuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import type { Checkpoint } from '@fso/shared/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chainEntry, NO_HEAD } from '../audit-log.ts';
import { fixedClock, TIME } from '../testing/ledger.ts';
import { createMemoryLedger } from '../testing/memory-ledger.ts';
import { createAuditKey } from './key.ts';
import { verifyAudit } from './verify.ts';

const entry = (n: number): NewAuditEntry => ({
  actor: { kind: 'user', id: `user-${n}`, roles: ['operator'] },
  from: '10.0.0.1',
  action: 'token.create',
  subject: `token-${n}`,
  detail: { n, nested: { list: [1, 'two', null] } },
});

const chain = (count: number, change: (n: number) => NewAuditEntry = entry): AuditEntry[] => {
  const entries: AuditEntry[] = [];
  for (let n = 1; n <= count; n += 1) entries.push(chainEntry(change(n), entries.at(-1) ?? NO_HEAD, TIME));
  return entries;
};

async function* stream(entries: readonly AuditEntry[]): AsyncGenerator<AuditEntry> {
  yield* entries;
}

const key = createAuditKey();
const checkpointOf = ({ sequence, hash }: AuditEntry, by = key): Checkpoint => by.sign({ sequence, hash, time: TIME });
const log = chain(12);
const last = log.at(-1) as AuditEntry;
const witness = (checkpoint: Checkpoint) => ({ cluster: 'eu', checkpoint, seen: TIME });
const proofs = {
  key: key.id,
  checkpoints: [checkpointOf(log[4] as AuditEntry), checkpointOf(last)],
  witnesses: [witness(checkpointOf(last))],
};
const none = { key: null, checkpoints: [], witnesses: [] };
const verify = (entries: readonly AuditEntry[], against = proofs) => verifyAudit(stream(entries), against);

describe('verifyAudit', () => {
  it('accepts an intact log', async () => {
    expect(await verify(log)).toEqual({
      ok: true,
      entries: 12,
      head: { sequence: 12, hash: last.hash },
      checkpoints: 2,
      witnesses: 1,
      problems: [],
    });
    expect(await verify([], none as never)).toMatchObject({ ok: true, entries: 0, head: null });
  });

  it('finds any byte that was changed, by the chain alone', async () => {
    // The text of an entry as it is stored, with one character replaced.
    const changes = fc.record({
      at: fc.nat(11),
      place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      to: fc.string({ minLength: 1, maxLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(changes, async ({ at, place, to }) => {
        const text = canonicalJson(log[at]);
        const index = Math.floor(place * text.length);
        const changed = text.slice(0, index) + to + text.slice(index + 1);
        fc.pre(changed !== text);
        let parsed: AuditEntry;
        try {
          parsed = JSON.parse(changed) as AuditEntry;
        } catch {
          return;
        }
        // The last entry's own hash field is compared with the content, the others' with the next
        // entry too.
        expect((await verify(log.with(at, parsed), none as never)).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('finds entries that were left out, put elsewhere or doubled', async () => {
    for (const at of [0, 5, 10]) {
      expect((await verify(log.toSpliced(at, 1))).ok).toBe(false);
      expect((await verify(log.toSpliced(at, 2, log[at + 1] as AuditEntry, log[at] as AuditEntry))).ok).toBe(false);
      expect((await verify(log.toSpliced(at, 0, log[at] as AuditEntry))).ok).toBe(false);
    }
  });

  it('finds a log that was cut at its end, or rewritten, by the checkpoints', async () => {
    const cut = await verify(log.slice(0, 9));
    expect(cut.problems.map(({ message }) => message)).toEqual([
      'the checkpoint of entry 12 that the hub keeps is beyond the end of the log: entries were cut off',
      'the checkpoint of entry 12 that the agent of eu keeps is beyond the end of the log: entries were cut off',
    ]);
    const forged = chain(12, (n) => (n === 3 ? { ...entry(n), subject: 'another' } : entry(n)));
    expect((await verify(forged, none as never)).ok).toBe(true);
    expect((await verify(forged)).problems[0]?.message).toMatch(/checkpoint of entry 5 that the hub keeps has another hash/);
    // A person with the key and the database can write new checkpoints; what agents keep stays.
    const signed = { ...proofs, checkpoints: [checkpointOf(forged.at(-1) as AuditEntry)] };
    expect((await verify(forged, signed)).problems).toEqual([
      { sequence: 12, message: expect.stringContaining('the agent of eu keeps has another hash') },
    ]);
  });

  it('finds checkpoints of another key, or without a signature', async () => {
    const other = createAuditKey();
    const foreign = await verify(log, { ...proofs, checkpoints: [checkpointOf(last, other)] });
    expect(foreign.problems).toEqual([{ sequence: 12, message: expect.stringContaining('signed by another key') }]);
    const unsigned = await verify(log, { ...proofs, witnesses: [witness({ ...checkpointOf(last), time: '2026-01-03T10:31:00.000Z' })] });
    expect(unsigned.problems).toEqual([{ sequence: 12, message: expect.stringContaining('not signed') }]);
  });
});

it('proves an entry by the digests between it and a checkpoint', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  for (let n = 1; n <= 3; n += 1) await ledger.audit.append(entry(n));
  const entries = await ledger.audit.after(0, 10);
  expect(entries).toEqual(chain(3));
  expect(entries.map(({ hash }) => hash)).toEqual([...new Set(entries.map(({ hash }) => hash))]);
  expect(sha256('')).toHaveLength(64);
});
