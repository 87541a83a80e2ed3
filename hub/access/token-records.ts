import { Role } from '@fso/shared/api';
import { z } from 'zod';
import type { Records } from '../ledger/index.ts';
import type { TokenRecord, TokenStore } from './types.ts';

const KIND = 'api-token';

const Kept: z.ZodType<TokenRecord> = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  hash: z.string(),
  createdBy: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
});

/** API tokens in the ledger, for hubs that share one. */
export const createTokenRecords = (records: Records): TokenStore => ({
  list: async () => records.list(KIND).map((value) => Kept.parse(value)),
  find: async (id) => {
    const value = records.get(KIND, id);
    return value === undefined ? undefined : Kept.parse(value);
  },
  add: async (record) => void (await records.update(KIND, record.id, () => record)),
  remove: async (id) => {
    let was = false;
    await records.update(KIND, id, (before) => {
      was = before !== undefined;
      return undefined;
    });
    return was;
  },
  used: async (id, time) => {
    await records.update(KIND, id, (before) => (before === undefined ? undefined : { ...Kept.parse(before), lastUsedAt: time }));
  },
});
