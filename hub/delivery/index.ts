export { Delivery } from './delivery.ts';
export { type InspectedReport, Inspector, type NoPreview } from './inspections.ts';
export { createOffers } from './offers/offers.ts';
export { RevisionTargets } from './offers/revision-targets.ts';
export { DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';
export { type AgentServer, createAgentServer, keepCertificate } from './sockets/agent-server.ts';
export { DEFAULT_DELIVERY_LIMITS } from './sockets/default-limits.ts';
export type { DeliveryLimits, DeliveryMetrics, NackClass } from './types.ts';
