import { z } from 'zod';
import { ResourceName } from './common.ts';

const Time = z.iso.datetime({ offset: true });

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
