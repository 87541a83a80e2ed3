import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the time of the last offer to a cluster. An older program does not update the column, so it
 * may belong to the offer before.
 */
export const offeredAt: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('offered_at', 'text').execute();
  },
};
