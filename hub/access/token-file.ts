import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '@fso/shared/runtime';
import { z } from 'zod';
import { readIfThere, writeDurably } from '../durable-file.ts';
import { createTurns } from '../turns.ts';
import { TokenRecord, type TokenStore } from './types.ts';

export const TOKENS_FILE = 'tokens.json';
const File = z.object({ version: z.literal(1), tokens: z.array(TokenRecord) });

/** @throws ConfigError when the file is there and cannot be read */
export const readTokenFile = async (path: string): Promise<readonly TokenRecord[]> => {
  const text = await readIfThere(path).catch((error: unknown) => {
    throw new ConfigError([`FSO_DATA_DIR: ${path} cannot be read (${String(Reflect.get(Object(error), 'code'))})`]);
  });
  if (text === undefined) return [];
  try {
    return File.parse(JSON.parse(text)).tokens;
  } catch {
    // Going on without would forget who has access; the next write would make that final.
    throw new ConfigError([`FSO_DATA_DIR: ${path} is damaged: restore it from a backup, or remove it to revoke all API tokens`]);
  }
};

/**
 * API tokens in `<folder>/tokens.json`, hashed. One process at a time may use it.
 *
 * @throws ConfigError when the file is there and cannot be read
 */
export const openTokenFile = async (folder: string): Promise<TokenStore> => {
  const path = join(folder, TOKENS_FILE);
  let records: ReadonlyMap<string, TokenRecord> = new Map((await readTokenFile(path)).map((record) => [record.id, record]));
  const inTurn = createTurns();

  /** One after the other, each on what the one before left; what could not be written is not in force either. */
  const change = <T>(apply: (tokens: Map<string, TokenRecord>) => T): Promise<T> =>
    inTurn(async () => {
      const next = new Map(records);
      const result = apply(next);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeDurably(path, `${JSON.stringify({ version: 1, tokens: [...next.values()] }, null, 2)}\n`);
      records = next;
      return result;
    });

  return {
    list: async () => [...records.values()],
    find: async (id) => records.get(id),
    add: (record) => change((tokens) => void tokens.set(record.id, record)),
    remove: async (id) => records.has(id) && change((tokens) => tokens.delete(id)),
    used: (id, time) =>
      change((tokens) => {
        const record = tokens.get(id);
        if (record !== undefined) tokens.set(id, { ...record, lastUsedAt: time });
      }),
  };
};
