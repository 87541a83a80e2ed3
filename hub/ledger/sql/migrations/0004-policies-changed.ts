import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the time at which the reported policies of a cluster last changed. Reports of conforming
 * policies contain no time.
 */
export const policiesChanged: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('policies_changed', 'text').execute();
  },
};
