import type { KeyedStore } from '../ledger/index.ts';
import { TokenRecord, type TokenStore } from './types.ts';

/** Kind of the records of API tokens. */
const TOKEN_KIND = 'api-token';

/** API tokens, hashed, in the ledger. */
export const createTokenRecords = (records: KeyedStore): TokenStore => ({
  list: async () => records.list(TOKEN_KIND).map((value) => TokenRecord.parse(value)),
  find: async (id) => {
    const value = records.get(TOKEN_KIND, id);
    return value === undefined ? undefined : TokenRecord.parse(value);
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
    await records.update(TOKEN_KIND, id, (before) =>
      before === undefined ? undefined : { ...TokenRecord.parse(before), lastUsedAt: time },
    );
  },
});
