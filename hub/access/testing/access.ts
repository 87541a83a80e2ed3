import { TIME } from '../../ledger/testing/ledger.ts';
import type { TokenRecord } from '../types.ts';

/** An API token as it is kept. */
export const tokenRecord: TokenRecord = {
  id: 't1',
  name: 'ci',
  role: 'viewer',
  hash: 'h',
  createdBy: 'ada',
  createdAt: TIME,
  expiresAt: TIME,
  lastUsedAt: null,
};
