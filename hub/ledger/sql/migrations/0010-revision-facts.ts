import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds a column for the part of a cluster's report that changes with each commit. Until a row is
 * written again, its old column holds the whole report.
 */
export const revisionFacts: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema.alterTable('clusters').addColumn('revision_json', 'text').execute();
  },
};
