import { z } from 'zod';

/** Of a backup: the first line is the manifest, the last one the end, all between are rows. */
export const FORMAT = 'fso-ledger-backup';

export const Manifest = z.strictObject({
  format: z.literal(FORMAT),
  /** Number of the newest migration of the tables. */
  version: z.int().min(1),
  program: z.string(),
  created: z.iso.datetime(),
});
export type Manifest = z.infer<typeof Manifest>;

export const Line = z.strictObject({ table: z.string(), row: z.record(z.string(), z.json()) });

export const End = z.strictObject({
  rows: z.record(z.string(), z.int()),
  /** Of all lines before, line feeds included. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of that digest, by the audit key of the newest checkpoint, base64url. */
  signature: z.string().optional(),
});
export type End = z.infer<typeof End>;
