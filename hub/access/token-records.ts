import { Role } from '@fso/shared/api';
import { z } from 'zod';
import type { Records } from '../ledger/index.ts';
import type { TokenRecord, TokenStore } from './types.ts';

/** Kind of the records of API tokens. */
export const TOKEN_KIND = 'api-token';

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
  list: async () => records.list(TOKEN_KIND).map((value) => Kept.parse(value)),
  find: async (id) => {
    const value = records.get(TOKEN_KIND, id);
    return value === undefined ? undefined : Kept.parse(value);
  },
  add: async (record) => void (await records.update(TOKEN_KIND, record.id, () => record)),
  remove: async (id) => {
    let was = false;
    await records.update(TOKEN_KIND, id, (before) => {
      was = before !== undefined;
      return undefined;
    });
    return was;
  },
  used: async (id, time) => {
    await records.update(TOKEN_KIND, id, (before) => (before === undefined ? undefined : { ...Kept.parse(before), lastUsedAt: time }));
  },
});
