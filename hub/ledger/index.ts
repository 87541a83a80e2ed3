export * from './audit/index.ts';
export { isRepeated, StreamReplacedError } from './changes.ts';
export { type KeyedStore, SESSION_KIND } from './keyed-store.ts';
export { LedgerError } from './ledger-error.ts';
export * from './memory.ts';
export * from './open.ts';
export type { DatabaseConfig } from './sql/database.ts';
export type { HistoryLimits } from './sql/history.ts';
export type * from './types.ts';
