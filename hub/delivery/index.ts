export { DEFAULT_AGENT_LIMITS } from './agent-budget.ts';
export { createAuthenticate, parseTokens } from './authenticate.ts';
export * from './delivery.ts';
export { type Denial, type Gate, type Proof, tokenGate } from './gate.ts';
export { createOffers } from './offers.ts';
export type * from './types.ts';
