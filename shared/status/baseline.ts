import { z } from 'zod';
import { boundedList, NamespaceName } from '../api/index.ts';
import { canonicalJson, sha256 } from '../encoding/index.ts';
import { sameItems } from '../runtime/index.ts';

/** Features of a cluster that the expected state of its policies depends on. */
export const ClusterProfile = z.strictObject({
  floor: z.boolean().describe('The API server has ValidatingAdmissionPolicy: without it there is no lock 1.'),
  gatekeeper: z.boolean().describe('Gatekeeper is installed: without it there is no lock 2.'),
  injection: z.boolean().describe('The API server has MutatingAdmissionPolicy: without it no placement is injected.'),
  gatekeeperNamespace: NamespaceName.describe('Namespace of Gatekeeper, which no policy governs.'),
});
export type ClusterProfile = z.infer<typeof ClusterProfile>;

/** Most namespaces that a baseline lists. */
export const MAX_BASELINE_NAMESPACES = 10_000;
/**
 * Most policies of a compiled list, each of which takes one bit of a baseline. Also the most
 * policies that a report lists by name.
 */
export const MAX_LISTED = 20_000;
const MAX_BITMAP_LENGTH = Math.ceil(MAX_LISTED / 8 / 3) * 4;

/**
 * Baseline of the reports of a cluster. Every policy of its list that is not reported by name is in
 * the state that `expectedReport` returns for this baseline.
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

/** Fields of a baseline except its time, with those of the profile one by one. */
type BaselineField = 'list' | 'missing' | 'namespaces' | keyof ClusterProfile;

const ALL_FIELDS: readonly BaselineField[] = ['list', 'missing', 'namespaces', 'floor', 'gatekeeper', 'injection', 'gatekeeperNamespace'];

const isSameField = (a: Baseline, b: Baseline, field: BaselineField): boolean => {
  if (field === 'namespaces') return sameItems(a.namespaces, b.namespaces);
  return field === 'list' || field === 'missing' ? a[field] === b[field] : a.profile[field] === b.profile[field];
};

/**
 * Whether two baselines agree in the given fields, by default in all. Their time is never compared.
 */
export const isSameBaseline = (a: Baseline | null, b: Baseline | null, fields: readonly BaselineField[] = ALL_FIELDS): boolean =>
  a === b || (a !== null && b !== null && fields.every((field) => isSameField(a, b, field)));

/**
 * Encodes a bitmap as base64, without trailing zero bytes.
 *
 * @param isSet whether the bit with an index is set
 */
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
/** Six bits of each base64 character, by its code; zero for padding and other characters. */
const SEXTETS = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, BASE64.indexOf(String.fromCharCode(code))));

/**
 * Whether a bit of a base64 bitmap is set; false outside of the bitmap. The text is not decoded:
 * that would allocate a buffer for each of thousands of clusters.
 */
export const hasBit = (bitmap: string, index: number): boolean => {
  // Base64 encodes the highest bit of a byte first.
  const at = (index | 7) - (index & 7);
  const sextet = SEXTETS[bitmap.charCodeAt(Math.floor(at / 6))] ?? 0;
  return ((sextet >> (5 - (at % 6))) & 1) === 1;
};
