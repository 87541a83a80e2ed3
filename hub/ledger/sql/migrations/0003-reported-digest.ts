import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Digest of what each cluster has reported. Until the next full report it is one that no agent has,
 * which makes the agent send one.
 */
export const reportedDigest: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await db.schema
      .alterTable('clusters')
      .addColumn('reported_digest', 'text', (column) => column.notNull().defaultTo('f'.repeat(64)))
      .execute();
  },
};
