export { recordAudit } from './audit.ts';
export { recordIdentity } from './identity.ts';
export { lifeEntry, recordSource } from './source.ts';
