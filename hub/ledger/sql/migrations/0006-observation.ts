import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the parts that the agent of a connected cluster does not observe. The value names its
 * stream, because an older program does not update the column.
 */
export const observation: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('not_observed_json', 'text').execute();
  },
};
