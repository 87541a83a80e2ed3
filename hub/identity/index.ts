export { type Authority, createAuthority } from './authority.ts';
export type { Identity, IdentityEvent } from './identity.ts';
export { type AgentListenerIdentity, type OpenIdentityOptions, openIdentity } from './open-identity.ts';
export { createRecordStore } from './record-store.ts';
export { agreeOnAuthority } from './shared-ca.ts';
export type * from './store.ts';
