export { type AuthenticateAgent, authenticateByToken, type Denial, type Proof, parseTokens } from './authenticate-agent.ts';
export { createAuthority, makeAgentCa, ownCaPaths } from './authority.ts';
export { forgetEnrolment } from './enrolment-state.ts';
export type { EnrolmentRecord } from './enrolment-store.ts';
export type { Identity, IdentityEvent } from './identity.ts';
export {
  type AgentListenerIdentity,
  certificatesOf,
  type HubCertificate,
  type OpenIdentityOptions,
  openIdentity,
} from './open-identity.ts';
export type { KeyPair } from './x509.ts';
