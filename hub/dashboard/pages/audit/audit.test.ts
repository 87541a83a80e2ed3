import type { AuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { describe, expect, it } from 'vitest';
import { localOf, timeOf } from '../../lib/time.ts';
import { checkEntries } from './chain.ts';
import { boundsOf } from './period.ts';
import { mergeNewest } from './use-growing-list.ts';

describe('boundsOf', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');

  it('reads a span back from now, and exact times unchanged', () => {
    expect(boundsOf({ span: '24h', since: '2020-01-01T00:00:00Z' }, now)).toEqual({ since: '2026-02-28T12:00:00.000Z' });
    expect(boundsOf({ span: '1h' }, now)).toEqual({ since: '2026-03-01T11:00:00.000Z' });
    expect(boundsOf({ since: '2025-01-01T00:00:00Z', until: '2026-01-01T00:00:00Z' }, now)).toEqual({
      since: '2025-01-01T00:00:00Z',
      until: '2026-01-01T00:00:00Z',
    });
    expect(boundsOf({ until: '2026-01-01T00:00:00Z' }, now)).toEqual({ since: undefined, until: '2026-01-01T00:00:00Z' });
  });

  it('converts a field to a time and back', () => {
    expect(timeOf(localOf('2026-03-01T12:34:56.000Z'))).toBe('2026-03-01T12:34:56.000Z');
    expect(localOf('2026-03-01T12:34:56.000Z')).toMatch(/^2026-0[23]-\d{2}T\d{2}:\d{2}:56$/);
    expect([localOf(undefined), localOf('nonsense'), timeOf('')]).toEqual(['', '', undefined]);
  });
});

describe('mergeNewest', () => {
  const merge = (newest: readonly number[], list: readonly number[], upTo = Number.POSITIVE_INFINITY) =>
    mergeNewest({ newest, isFull: newest.length === 3, list, idOf: (row) => row, upTo });

  it('puts newer rows first, or holds them back', () => {
    expect(merge([5, 4, 3], [4, 3, 2, 1])).toEqual({ rows: [5, 4, 3, 2, 1], held: 0, hasGap: false });
    expect(merge([5, 4, 3], [4, 3, 2, 1], 4)).toEqual({ rows: [4, 3, 2, 1], held: 1, hasGap: false });
    // The list itself was read again meanwhile.
    expect(merge([5, 4, 3], [5, 4, 3, 2, 1], 4)).toEqual({ rows: [4, 3, 2, 1], held: 1, hasGap: false });
    expect(merge([], [])).toEqual({ rows: [], held: 0, hasGap: false });
    expect(merge([2, 1], [])).toEqual({ rows: [2, 1], held: 0, hasGap: false });
  });

  it('leaves out what does not join', () => {
    expect(merge([9, 8, 7], [4, 3])).toEqual({ rows: [4, 3], held: 3, hasGap: true });
  });
});

describe('checkEntries', () => {
  const chain = (count: number): AuditEntry[] => {
    let previous = '0'.repeat(64);
    return Array.from({ length: count }, (_, index) => {
      const content = {
        actor: { kind: 'user' as const, id: 'ä', roles: ['viewer'] },
        from: null,
        action: 'test.run',
        subject: 's',
        detail: { b: [1, { z: 1, a: 'é' }], a: null },
        sequence: index + 1,
        time: '2026-01-01T00:00:00.000Z',
      };
      const entry = { ...content, previous, hash: sha256(`${previous}\n${sha256(canonicalJson(content))}`) };
      previous = entry.hash;
      return entry;
    }).reverse();
  };

  it('accepts entries as the hub chains them, with any gaps in between', async () => {
    expect(await checkEntries(chain(4))).toEqual({ entries: 4, links: 3, broken: [] });
    expect(await checkEntries(chain(4).filter(({ sequence }) => sequence !== 2))).toEqual({ entries: 3, links: 1, broken: [] });
    expect(await checkEntries([])).toEqual({ entries: 0, links: 0, broken: [] });
  });

  it('finds a changed entry, and one in the place of another', async () => {
    const changed = chain(4).map((entry) => (entry.sequence === 2 ? { ...entry, subject: 'other' } : entry));
    expect(await checkEntries(changed)).toEqual({ entries: 4, links: 3, broken: [2] });
    const [last, ...others] = chain(4);
    const [forged] = chain(3);
    if (last === undefined || forged === undefined) throw new Error('no entries');
    // Its hash is right, but it follows the entry before the one that it stands behind.
    const content = { ...last, previous: forged.previous };
    expect(content.previous).not.toBe(others[0]?.hash);
    const { previous, hash: _hash, ...rest } = content;
    const rehashed = { ...content, hash: sha256(`${previous}\n${sha256(canonicalJson(rest))}`) };
    expect(await checkEntries([rehashed, ...others])).toEqual({ entries: 4, links: 3, broken: [4] });
    expect((await checkEntries([rehashed])).broken).toEqual([]);
  });
});
