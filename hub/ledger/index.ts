export * from './audit/index.ts';
export type * from './audit-log.ts';
export { isRepeated, StreamReplacedError } from './changes.ts';
export { type KeyedStore, SESSION_KIND } from './keyed-store.ts';
export type { DatabaseConfig } from './sql/database.ts';
export type { HistoryLimits } from './sql/history.ts';
export { openLedger } from './sql/open-ledger.ts';
export * from './types.ts';
