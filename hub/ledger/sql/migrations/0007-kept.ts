import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the numbers of policies of a cluster that are kept and not kept. The value names the digest
 * to which it belongs, because an older program does not update the column.
 */
export const kept: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('kept_json', 'text').execute();
  },
};
