import { z } from 'zod';

/**
 * Format name of a backup. The first line is the manifest, the last line the end, all others are
 * rows.
 */
export const FORMAT = 'fso-ledger-backup';

/** First line of a backup. */
export const Manifest = z.strictObject({
  format: z.literal(FORMAT),
  /** Number of the newest migration that had run on the tables. */
  version: z.int().min(1),
  program: z.string(),
  created: z.iso.datetime(),
});
export type Manifest = z.infer<typeof Manifest>;

/** A row of a table in a backup. */
export const Line = z.strictObject({ table: z.string(), row: z.record(z.string(), z.json()) });

/** Last line of a backup. Reveals a truncated or changed file. */
export const End = z.strictObject({
  rows: z.record(z.string(), z.int()),
  /** Digest of all lines before this one, including line feeds. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Signature of that digest by the audit key of the newest checkpoint, base64url. */
  signature: z.string().optional(),
});
export type End = z.infer<typeof End>;
