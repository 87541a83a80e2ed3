export { IdentityKeeper } from './keeper.ts';
