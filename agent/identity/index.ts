export { createIdentityKeeper, type IdentityKeeper } from './keeper.ts';
