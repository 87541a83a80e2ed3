export * from './checkpoints.ts';
export * from './key.ts';
export { checkAuditKey } from './key-change.ts';
export * from './verify.ts';
