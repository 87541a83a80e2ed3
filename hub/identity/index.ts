export { type Authority, createAuthority } from './authority.ts';
export { ENROLMENTS_FILE, readEnrolments } from './file-store.ts';
export type { Identity, IdentityEvent } from './identity.ts';
export { type AgentListenerIdentity, type OpenIdentityOptions, openIdentity } from './open-identity.ts';
export { createRecordStore, ENROLMENT_KIND } from './record-store.ts';
export { agreeOnAuthority } from './shared-ca.ts';
export type * from './store.ts';
