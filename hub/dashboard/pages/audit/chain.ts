import type { AuditEntry } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/decode/portable';

/** Verification of the hub's audit log in the browser, by its hash chain (`AuditEntry.hash`). */

const sha256 = async (text: string): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
};

const hashOf = async ({ previous, hash: _hash, ...content }: AuditEntry): Promise<string> =>
  sha256(`${previous}\n${await sha256(canonicalJson(content))}`);

/** Result of a check of entries in the browser. */
export interface ChainCheck {
  readonly entries: number;
  /** Number of pairs of successive entries whose link was compared. */
  readonly links: number;
  /** Sequence numbers of entries that do not match their hash or their predecessor. */
  readonly broken: readonly number[];
}

/** Whether the browser can compute hashes: only on pages over HTTPS or from this machine. */
export const canCheck = (): boolean => globalThis.isSecureContext;

/** Checks the hash of each entry, and its link to the entry before if that is present. */
export const checkEntries = async (entries: readonly AuditEntry[]): Promise<ChainCheck> => {
  const hashes = new Map(entries.map(({ sequence, hash }) => [sequence, hash]));
  const linked = entries.filter(({ sequence }) => hashes.has(sequence - 1));
  const falsified = await Promise.all(entries.map(async (entry) => ((await hashOf(entry)) === entry.hash ? [] : [entry.sequence])));
  const unlinked = linked.filter(({ sequence, previous }) => hashes.get(sequence - 1) !== previous).map(({ sequence }) => sequence);
  const broken = [...new Set([...falsified.flat(), ...unlinked])].sort((a, b) => a - b);
  return { entries: entries.length, links: linked.length, broken };
};
