export { OwnerCache } from './owner-cache.ts';
export type { Owner } from './owner-kinds.ts';
export { readTemplate } from './reduce-owner.ts';
export { type KnownRisks, RiskWatch } from './risk-watch.ts';
export type { FoundRisk } from './sum-risks.ts';
