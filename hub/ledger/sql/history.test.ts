import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { clearCheckpoints } from './history.ts';
import { migrate } from './migrate.ts';

it('of old checkpoints the last one of each hour and key is kept, and all that are new', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-history-'));
  const database = await openDatabase({ folder });
  await migrate(database);
  const row = (sequence: number, time: string, key = 'a') => ({ sequence, time, key, hash: 'h', signature: 's' });
  await database.db
    .insertInto('checkpoints')
    .values([
      row(1, '2026-01-01T10:00:00.000Z'),
      row(2, '2026-01-01T10:58:00.000Z'),
      row(3, '2026-01-01T10:59:00.000Z', 'b'),
      row(4, '2026-01-01T11:00:00.000Z', 'b'),
      row(5, '2026-01-01T11:01:00.000Z', 'b'),
      row(6, '2026-02-01T10:00:00.000Z', 'b'),
      row(7, '2026-02-01T10:01:00.000Z', 'b'),
    ])
    .execute();
  const now = new Date('2026-02-02T00:00:00Z');
  await clearCheckpoints(database.db, now);
  await clearCheckpoints(database.db, now);
  const left = await database.db.selectFrom('checkpoints').select('sequence').orderBy('sequence').execute();
  expect(left.map(({ sequence }) => sequence)).toEqual([2, 3, 5, 6, 7]);
  await database.close();
  await rm(folder, { recursive: true });
});
