export { OwnerEvents } from './owner-events.ts';
export { OwnerCache } from './owners/owner-cache.ts';
export { isOwnerKind, type Owner, ownerDescriptor } from './owners/owner-kinds.ts';
export { readTemplate } from './owners/reduce-owner.ts';
export { type KnownRisks, RiskWatch } from './risk-watch.ts';
export { ShapeRecorder } from './shapes/shape-recorder.ts';
export { ShapeStore } from './shapes/shape-store.ts';
export type { FoundRisk } from './sum-risks.ts';
export { WebhookCache } from './webhook-cache.ts';
