import { z } from 'zod';
import { ResourceName } from './common.ts';

/** Who may do what at the hub's API: shared by the API, the `fso` command and the dashboard. */

const Time = z.iso.datetime({ offset: true });

/** From least to most: each may do all that the ones before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

/** Header that a browser's script sends with every call that changes something; a form or link of another site cannot. */
export const CSRF_HEADER = 'X-FSO-CSRF';

/** Sessions that `fso login` gets; the rest is the session's id. */
export const CLI_SESSION = 'fsosession_';

export const SessionView = z.object({
  kind: z
    .enum(['local', 'anonymous', 'token', 'user'])
    .describe(
      'local: the static token; anonymous: the hub runs without authentication; token: an API token; user: a user of the identity provider.',
    ),
  id: z.string().describe('What does not change: the id of a token, the subject of a user.'),
  name: z.string(),
  role: Role.nullable().describe('null: known, but none of the claims gives a role.'),
  expiresAt: Time.nullable().describe('When this login or token ends at the latest.'),
});
export type SessionView = z.infer<typeof SessionView>;

/** Ways to sign in; public. */
export const LoginMethods = z.object({
  provider: z.boolean().describe('By GET /auth/login.'),
  token: z.boolean().describe('By POST /auth/token, which trades an API token for a session.'),
  anonymous: z.boolean().describe('The hub runs without authentication; it serves only its own machine.'),
});
export type LoginMethods = z.infer<typeof LoginMethods>;

export const TokenLogin = z.strictObject({ token: z.string().min(1).max(512) });

export const CliLoginRequest = z.strictObject({
  code: z.string().max(128).describe('What the browser brought to the command.'),
  verifier: z.string().min(43).max(128).describe('The secret of the command.'),
});
export const CliLoginView = z.object({ token: z.string().describe('A session, as a bearer token.') });

export const LogoutView = z.object({
  endSessionUrl: z.string().nullable().describe('Where the provider ends its own session, if it says where.'),
});
export type LogoutView = z.infer<typeof LogoutView>;

export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  createdBy: z.string().describe('Name, as the identity provider has it: two people may have the same.'),
  createdById: z.string().optional().describe('Id of who made it; absent for tokens of older versions.'),
  createdAt: Time,
  expiresAt: Time,
  lastUsedAt: Time.nullable().describe('To the minute.'),
});
export type TokenView = z.infer<typeof TokenView>;

export const TokenList = z.object({ items: z.array(TokenView) });
export type TokenList = z.infer<typeof TokenList>;

export const MAX_TOKEN_DAYS = 400;
export const DEFAULT_TOKEN_DAYS = 90;

export const TokenRequest = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.@/-][\w .@/-]{0,62}$/, 'must be 1 to 63 letters, digits, spaces and . _ @ / -')
    .describe('What it is for, e.g. ci.'),
  role: Role,
  expiresInDays: z
    .int()
    .min(1, 'must be at least 1')
    .max(MAX_TOKEN_DAYS, `must be at most ${MAX_TOKEN_DAYS}`)
    .default(DEFAULT_TOKEN_DAYS)
    .describe('Days until it ends.'),
});
export type TokenRequest = z.input<typeof TokenRequest>;

export const CreatedToken = z.object({
  token: z.string().describe('The secret: shown this once, kept only as a hash.'),
  view: TokenView,
});
export type CreatedToken = z.infer<typeof CreatedToken>;

export const FetchHint = z.object({ accepted: z.literal(true) });

/** Who may be a cluster, as far as the hub's CA is concerned. */
export const EnrolmentView = z.object({
  cluster: ResourceName,
  state: z.enum(['invited', 'enrolled', 'revoked']).describe('invited: has a token, or had one, and never enrolled.'),
  generation: z.int().describe('Raised by each enrolment and each revocation; certificates of another one are worth nothing.'),
  token: z
    .object({ created: Time, expires: Time, state: z.enum(['open', 'used', 'expired', 'withdrawn']) })
    .nullable()
    .describe('The newest enrolment token.'),
  enrolled: Time.nullable().describe('When it enrolled last.'),
  revoked: Time.nullable().describe('When it was revoked last.'),
  certificateIssued: Time.nullable(),
  certificateExpires: Time.nullable(),
});
export type EnrolmentView = z.infer<typeof EnrolmentView>;

export const EnrolmentTokenView = z.object({
  cluster: ResourceName,
  token: z.string().describe('Shown this once; the hub keeps its digest.'),
  expires: Time,
  agentUrl: z.string().describe('What the agent is to dial, FSO_HUB_URL.'),
});
export type EnrolmentTokenView = z.infer<typeof EnrolmentTokenView>;

/** What is left of a cluster that was forgotten. */
export const ForgottenCluster = z.object({ cluster: ResourceName });
export type ForgottenCluster = z.infer<typeof ForgottenCluster>;
