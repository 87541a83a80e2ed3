import { z } from 'zod';
import { boundedList, NamespaceName } from '../api/index.ts';
import { canonicalJson, sha256 } from '../encoding/index.ts';
import { sameItems } from '../runtime/index.ts';

/**
 * Profile of a cluster: what it has, as far as the state of a policy that conforms depends on it.
 */
export const ClusterProfile = z.strictObject({
  floor: z.boolean().describe('The API server has ValidatingAdmissionPolicy: without it there is no lock 1.'),
  gatekeeper: z.boolean().describe('Gatekeeper is installed: without it there is no lock 2.'),
  injection: z.boolean().describe('The API server has MutatingAdmissionPolicy: without it no placement is injected.'),
  gatekeeperNamespace: NamespaceName.describe('Namespace of Gatekeeper, which no policy governs.'),
});
export type ClusterProfile = z.infer<typeof ClusterProfile>;

/** Namespaces that a baseline names at most. */
export const MAX_BASELINE_NAMESPACES = 10_000;
/**
 * Policies of a compiled list at most, one bit of a baseline each; and policies that a report
 * names.
 */
export const MAX_LISTED = 20_000;
const MAX_BITMAP_LENGTH = Math.ceil(MAX_LISTED / 8 / 3) * 4;

/**
 * Baseline that the reports of a cluster deviate from: every policy of its list that is not
 * reported by name reads as `expectedReport` says for this baseline.
 */
export const Baseline = z.strictObject({
  list: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest in hex')
    .describe('Digest of the compiled policies that the agent has accepted; see CompiledCluster.'),
  profile: ClusterProfile,
  asOf: z.iso.datetime({ offset: true }).max(64).describe("Time of the reconcile, by the cluster's clock: by it policies expire."),
  missing: z
    .base64()
    .max(MAX_BITMAP_LENGTH)
    .describe('Policies of the list that govern no namespace: bit n % 8 of byte n / 8 is that of policy n. Shorter: the rest is 0.'),
  namespaces: boundedList(NamespaceName, MAX_BASELINE_NAMESPACES).describe('Namespaces that a glob of the list means, by name.'),
});
export type Baseline = Readonly<z.infer<typeof Baseline>>;

/** SHA-256 (hex) of a baseline without its time. */
export const digestOfBaseline = ({ asOf: _asOf, ...content }: Baseline): string => sha256(canonicalJson(content));

/** Fields of a baseline but its time; those of the profile by themselves. */
type BaselineField = 'list' | 'missing' | 'namespaces' | keyof ClusterProfile;

const ALL_FIELDS: readonly BaselineField[] = ['list', 'missing', 'namespaces', 'floor', 'gatekeeper', 'injection', 'gatekeeperNamespace'];

const isSameField = (a: Baseline, b: Baseline, field: BaselineField): boolean => {
  if (field === 'namespaces') return sameItems(a.namespaces, b.namespaces);
  return field === 'list' || field === 'missing' ? a[field] === b[field] : a.profile[field] === b.profile[field];
};

/**
 * Whether two baselines have the same in these fields. Default: in all; their time never counts.
 */
export const isSameBaseline = (a: Baseline | null, b: Baseline | null, fields: readonly BaselineField[] = ALL_FIELDS): boolean =>
  a === b || (a !== null && b !== null && fields.every((field) => isSameField(a, b, field)));

/** A bitmap as base64, without zero bytes at its end. @param isSet of each bit, from 0 */
export const encodeBitmap = (length: number, isSet: (index: number) => boolean): string => {
  const bytes = new Uint8Array(Math.ceil(length / 8));
  let end = 0;
  for (let index = 0; index < length; index += 1) {
    if (!isSet(index)) continue;
    const at = index >> 3;
    bytes[at] = (bytes[at] ?? 0) | (1 << (index & 7));
    end = at + 1;
  }
  return Buffer.from(bytes.buffer, 0, end).toString('base64');
};

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Six bits for each character of base64, by its code; of others, and of padding, none. */
const SEXTETS = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, BASE64.indexOf(String.fromCharCode(code))));

/**
 * Whether a bit of a bitmap in base64 is set; beyond its end, and before its beginning, none is.
 * Its bytes would be a buffer for each of thousands of clusters.
 */
export const hasBit = (bitmap: string, index: number): boolean => {
  // Base64 takes the bits of a byte from its highest one.
  const at = (index | 7) - (index & 7);
  const sextet = SEXTETS[bitmap.charCodeAt(Math.floor(at / 6))] ?? 0;
  return ((sextet >> (5 - (at % 6))) & 1) === 1;
};
