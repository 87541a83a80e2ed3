import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the table of the leading hub, its term and its last sign of life. On SQLite it stays empty,
 * because there is only one hub. Both databases then have the same migrations, and their backups
 * the same version.
 */
export const leader: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema
      .createTable('leader')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('replica', 'text', (column) => column.notNull())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('heartbeat', sql`timestamptz`, (column) => column.notNull())
      .execute();
  },
};
