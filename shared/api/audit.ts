import { z } from 'zod';

/** Audit log of the hub, in its API and in exports. */

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

/** Caller or program that an entry of the audit log names. */
export const AuditActor = z.object({
  kind: z
    .enum(['hub', 'agent', 'git', 'user', 'token', 'local', 'anonymous', 'webhook', 'operator'])
    .describe('`operator`: an offline command on the database.'),
  id: z.string().max(512),
  roles: z.array(z.string().max(128)).max(64),
});
export type AuditActor = z.infer<typeof AuditActor>;

/** Entry before the log assigns its sequence number, time and hashes. */
export const NewAuditEntry = z.object({
  actor: AuditActor,
  from: z.string().max(256).nullable().describe('Address that the request came from, if there was a request.'),
  action: z
    .string()
    .regex(/^[a-z]+(\.[a-z-]+)+$/)
    .max(64)
    .describe('What was done, such as `revision.accept`.'),
  subject: z.string().max(512).describe('What it was done to: a revision, a cluster, a setting.'),
  detail: z.record(z.string().max(64), z.unknown()).describe('JSON.'),
});
export type NewAuditEntry = z.infer<typeof NewAuditEntry>;

/** Entry of the audit log, chained to the previous one by its hash. */
export const AuditEntry = NewAuditEntry.extend({
  sequence: z.int().min(1).describe('Without gaps, from 1.'),
  time: z.iso.datetime({ offset: true }),
  previous: Hash.describe('`hash` of the entry before; zeros for the first.'),
  hash: Hash.describe('SHA-256 of `previous`, a line feed, and the SHA-256 of all other fields in canonical JSON (RFC 8785).'),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

/** Page of the audit log, newest entries first. */
export const AuditPage = z.object({
  items: z.array(AuditEntry),
  total: z.int().describe('Entries of the whole log, or those that match the filters, as far as they are counted.'),
  next: z.string().nullable(),
});
export type AuditPage = z.infer<typeof AuditPage>;

/** Signed head of the audit log. */
export const CheckpointView = z.object({
  sequence: z.int().min(1),
  hash: Hash,
  time: z.iso.datetime({ offset: true }),
  key: z.string().max(64).describe('Public audit key of the hub: Ed25519, base64url.'),
  signature: z.string().max(128),
});

/** Checkpoint that an agent keeps as a witness. */
export const WitnessView = z.object({
  cluster: z.string().max(253),
  checkpoint: CheckpointView.describe('The newest one that its agent keeps.'),
  seen: z.iso.datetime({ offset: true }).describe('When the agent reported it.'),
});

/** Material with which a client verifies the audit log without trusting the hub. */
export const AuditProofs = z.object({
  key: z.string().nullable().describe('Public audit key of this hub.'),
  checkpoints: z.array(CheckpointView).describe('Signed by the hub, oldest first; at most the newest 10,000.'),
  witnesses: z.array(WitnessView).describe('Checkpoints that agents returned.'),
});
export type AuditProofs = z.infer<typeof AuditProofs>;

/** Result of the hub's own verification of its audit log. */
export const AuditVerification = z.object({
  ok: z.boolean(),
  entries: z.int(),
  head: z.object({ sequence: z.int(), hash: Hash }).nullable().describe('The last entry.'),
  checkpoints: z.int().describe('Checkpoints that were compared.'),
  witnesses: z.int().describe('Agents whose checkpoint was compared.'),
  problems: z.array(z.object({ sequence: z.int().nullable(), message: z.string() })).describe('The first 100.'),
});
export type AuditVerification = z.infer<typeof AuditVerification>;

/**
 * Result of the hub's own check of its log, with its time. `fso audit verify` need not trust it.
 */
export const AuditVerificationView = AuditVerification.extend({ checkedAt: z.iso.datetime({ offset: true }) });
export type AuditVerificationView = z.infer<typeof AuditVerificationView>;
