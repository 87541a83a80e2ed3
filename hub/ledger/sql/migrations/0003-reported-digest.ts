import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Adds the digest of what each cluster has reported. Its initial value matches no agent, so each
 * agent sends a full report.
 */
export const reportedDigest: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema
      .alterTable('clusters')
      .addColumn('reported_digest', 'text', (column) => column.notNull().defaultTo('f'.repeat(64)))
      .execute();
  },
};
