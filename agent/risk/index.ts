export { OwnerCache } from './owner-cache.ts';
export { OwnerEvents } from './owner-events.ts';
export { readTemplate } from './reduce-owner.ts';
export { type KnownRisks, RiskWatch } from './risk-watch.ts';
export { ShapeRecorder } from './shapes/shape-recorder.ts';
export { ShapeStore } from './shapes/shape-store.ts';
export { WebhookCache } from './webhook-cache.ts';
