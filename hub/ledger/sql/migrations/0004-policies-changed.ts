import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** When what a cluster says of its policies changed last: reports of those that conform hold no time. */
export const policiesChanged: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('policies_changed', 'text').execute();
  },
};
