import { onTestFinished } from 'vitest';
import { makeTemporaryFolder } from '../../../../test/harness/temporary-folder.ts';
import { type Database, openDatabase } from '../database.ts';
import { migrate } from '../migrate.ts';

/**
 * An embedded database with its tables, which goes with the test, or the hook of a test, that asks
 * for it.
 */
export const openTestDatabase = async (name: string): Promise<Database> => {
  const database = await openDatabase({ folder: makeTemporaryFolder(name) });
  onTestFinished(() => database.close());
  await migrate(database);
  return database;
};
