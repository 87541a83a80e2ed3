import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byText } from '@fso/shared/compile';
import { ConfigError, coalesce } from '@fso/shared/runtime';
import { z } from 'zod';
import { readIfThere, writeDurably } from '../durable-file.ts';
import { EnrolmentRecord, type IdentityStore } from './store.ts';

export const ENROLMENTS_FILE = 'enrolments.json';
const Content = z.strictObject({ version: z.literal(1), enrolments: z.array(EnrolmentRecord) });

/** @throws ConfigError when the file is there and cannot be used: to go on without it would forget who was revoked */
export const readEnrolments = async (path: string): Promise<readonly EnrolmentRecord[]> => {
  const text = await readIfThere(path);
  if (text === undefined) return [];
  try {
    return Content.parse(JSON.parse(text)).enrolments;
  } catch {
    throw new ConfigError([`FSO_DATA_DIR: ${path} is damaged: put it back from a backup; without it the hub would forget who was revoked`]);
  }
};

/** An {@link IdentityStore} of one hub: a file in `folder`, replaced as a whole. Changes that come together share a write. */
export const openFileStore = async (folder: string): Promise<IdentityStore> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, ENROLMENTS_FILE);
  const records = new Map((await readEnrolments(path)).map((record) => [record.cluster, record]));
  const handlers = new Set<(cluster: string) => void>();
  const sorted = (): EnrolmentRecord[] => [...records.values()].sort((a, b) => byText(a.cluster, b.cluster));
  const write = coalesce(() => writeDurably(path, JSON.stringify({ version: 1, enrolments: sorted() })));
  return {
    get: async (cluster) => records.get(cluster),
    list: async () => sorted(),
    update: async (cluster, change) => {
      const before = records.get(cluster);
      const after = change(before);
      if (after === before) return after;
      records.set(cluster, after);
      for (const handler of handlers) handler(cluster);
      await write();
      return after;
    },
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };
};
