export { createAuthenticate, parseTokens } from './authenticate.ts';
export * from './delivery.ts';
export { createOffers } from './offers.ts';
export type * from './types.ts';
