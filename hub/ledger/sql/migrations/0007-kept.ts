import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the numbers of policies of a cluster that are kept and that are not. An older program leaves
 * the column as it is, so its value names the digest that it holds for.
 */
export const kept: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('kept_json', 'text').execute();
  },
};
