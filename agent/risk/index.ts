export { OwnerCache } from './owner-cache.ts';
export { readTemplate } from './reduce-owner.ts';
export { type KnownRisks, RiskWatch } from './risk-watch.ts';
