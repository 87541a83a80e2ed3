import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds a column for the part of a cluster's report that each commit changes. Rows stay as they are
 * until they are written, with all of the report in its old column.
 */
export const revisionFacts: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('revision_json', 'text').execute();
  },
};
