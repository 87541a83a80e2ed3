import { z } from 'zod';

/**
 * Format name of a backup. Its first line is the manifest, its last line the end, all others are
 * rows.
 */
export const FORMAT = 'fso-ledger-backup';

/** First line of a backup. */
export const Manifest = z.strictObject({
  format: z.literal(FORMAT),
  /** Number of the newest migration of the tables. */
  version: z.int().min(1),
  program: z.string(),
  created: z.iso.datetime(),
});
export type Manifest = z.infer<typeof Manifest>;

/** A row of a table in a backup. */
export const Line = z.strictObject({ table: z.string(), row: z.record(z.string(), z.json()) });

/** Last line of a backup, by which a cut or changed one is noticed. */
export const End = z.strictObject({
  rows: z.record(z.string(), z.int()),
  /** Digest of all lines before, line feeds included. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Signature of that digest by the audit key of the newest checkpoint, base64url. */
  signature: z.string().optional(),
});
export type End = z.infer<typeof End>;
