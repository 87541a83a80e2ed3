import type { AuditEntry, NewAuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { chainHash, NO_HASH } from '@fso/shared/protocol';
import type { AuditHead } from '../audit-log.ts';

export const NO_HEAD: AuditHead = { sequence: 0, hash: NO_HASH };

/** Digest of an entry by itself: all fields but `previous` and `hash`, in canonical JSON. */
export const digestOfEntry = ({ previous: _previous, hash: _hash, ...content }: AuditEntry): string => sha256(canonicalJson(content));

/** Gives an entry its place behind `head`. */
export const chainEntry = (entry: NewAuditEntry, head: AuditHead, time: string): AuditEntry => {
  const { actor, from, action, subject } = entry;
  // As it comes back from wherever it is kept.
  const detail = JSON.parse(JSON.stringify(entry.detail)) as NewAuditEntry['detail'];
  const placed = { actor, from, action, subject, detail, sequence: head.sequence + 1, time, previous: head.hash, hash: '' };
  return { ...placed, hash: chainHash(head.hash, digestOfEntry(placed)) };
};
