export { DEFAULT_AGENT_LIMITS } from './agent-budget.ts';
export { createAuthenticate, parseTokens } from './authenticate.ts';
export * from './delivery.ts';
export { createOffers } from './offers.ts';
export { type Denial, type Gate, type Proof, tokenGate } from './token-gate.ts';
export type * from './types.ts';
