export { DEFAULT_AGENT_LIMITS } from './agent-budget.ts';
export { type AgentServer, createAgentServer, keepCertificate } from './agent-server.ts';
export { DEFAULT_DELIVERY_LIMITS, Delivery } from './delivery.ts';
export { createOffers } from './offers.ts';
export { RevisionTargets } from './revision-targets.ts';
export type { DeliveryLimits, DeliveryMetrics } from './types.ts';
