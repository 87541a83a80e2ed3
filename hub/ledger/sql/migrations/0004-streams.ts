import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Which stream speaks for a cluster. */
export const streams: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('stream', 'text').execute();
  },
};
