import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@fso/shared/compile';
import type pino from 'pino';
import { readTokenFile, TOKEN_KIND, TOKENS_FILE } from './access/index.ts';
import { readIfThere } from './durable-file.ts';
import { ENROLMENT_KIND, ENROLMENTS_FILE, readEnrolments } from './identity/index.ts';
import type { Ledger } from './ledger/index.ts';

/** A file of a hub with an embedded ledger, whose content lies in the records where hubs share a database. */
interface Kept {
  readonly path: string;
  readonly kind: string;
  /** By name. @throws ConfigError when it is damaged */
  readonly read: () => Promise<readonly (readonly [string, unknown])[]>;
}

const filesOf = (dataDir: string): readonly Kept[] => {
  const [enrolments, tokens] = [join(dataDir, 'identity', ENROLMENTS_FILE), join(dataDir, TOKENS_FILE)];
  return [
    {
      path: enrolments,
      kind: ENROLMENT_KIND,
      read: async () => (await readEnrolments(enrolments)).map((record) => [record.cluster, record]),
    },
    { path: tokens, kind: TOKEN_KIND, read: async () => (await readTokenFile(tokens)).map((record) => [record.id, record]) },
  ];
};

/** undefined: there is no such file. */
const digestOf = async (path: string): Promise<string | undefined> => {
  const text = await readIfThere(path);
  return text === undefined ? undefined : sha256(text);
};

/**
 * Kind of the records that say which file is being imported, so that a hub that ends meanwhile goes on with it at its next start, or that
 * nothing is to be imported any more: tokens that were revoked here must not come back with an old file once there are none left.
 */
const IMPORT_KIND = 'import';
const CLOSED = 'closed';

const importFile = async ({ path, kind, read }: Kept, digest: string, { audit, records }: Ledger): Promise<number> => {
  const content = await read();
  await records.update(IMPORT_KIND, kind, () => digest);
  // What came meanwhile, of another hub, is newer.
  await Promise.all(content.map(([name, value]) => records.update(kind, name, (before) => before ?? value)));
  await audit.append({
    actor: { kind: 'hub', id: 'hub', roles: [] },
    from: null,
    action: 'records.import',
    subject: kind,
    detail: { sha256: digest, records: content.length },
  });
  await rename(path, `${path}.imported`);
  await records.update(IMPORT_KIND, kind, () => CLOSED);
  return content.length;
};

/**
 * Takes enrolments and API tokens of the data folder over into an empty database, once: a hub that moves from its embedded ledger to a
 * server must not forget who was revoked.
 *
 * @throws ConfigError when a file is damaged
 */
export const importFiles = async (dataDir: string, { ledger, logger }: { ledger: Ledger; logger: pino.Logger }): Promise<void> => {
  const { records } = ledger;
  for (const file of filesOf(dataDir)) {
    const { path, kind } = file;
    const digest = await digestOf(path);
    if (digest === undefined) continue;
    const begun = records.get(IMPORT_KIND, kind);
    if (begun !== digest && (begun !== undefined || records.list(kind).length > 0)) {
      await records.update(IMPORT_KIND, kind, (before) => before ?? CLOSED);
      logger.warn({ path }, 'file of the data folder ignored: the database has its own records');
      continue;
    }
    const imported = await importFile(file, digest, ledger);
    logger.info({ path, records: imported }, 'file of the data folder imported into the database');
  }
};
