import type { AuditEntry, AuditProofs, AuditVerification, NewAuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { type Checkpoint, chainHash, NO_HASH } from '@fso/shared/protocol';

/** Filter of entries. An entry matches if all given fields do. */
export interface AuditFilter {
  readonly action?: string;
  /** Id of the actor. */
  readonly actor?: string;
  readonly subject?: string;
  /**
   * Cluster that an entry concerns: its agent acted, or the cluster was acted on or is the subject.
   */
  readonly cluster?: string;
  /** Key of a policy that a commit changed. */
  readonly policy?: string;
  /** RFC 3339, UTC with milliseconds. */
  readonly since?: string;
  readonly until?: string;
}

/** A page of the newest entries that pass a filter. */
export interface AuditQuery extends AuditFilter {
  /** Entries with a lower number only. */
  readonly before?: number;
  readonly limit: number;
}

/** A part of the log to search, in which order. */
export interface AuditSearch {
  readonly filter: AuditFilter;
  readonly order: 'asc' | 'desc';
  /** Sequence behind which the search begins, in that order; undefined: at its beginning. */
  readonly from: number | undefined;
  readonly limit: number;
  /** Ends the search when aborted. */
  readonly signal?: AbortSignal;
}

/** Page of a search of the audit log. */
export interface FoundAudit {
  readonly entries: readonly AuditEntry[];
  /**
   * Sequence behind which the search goes on; null: there are no more. A search that looked at many
   * entries ends before the page is full.
   */
  readonly next: number | null;
}

/** Number and hash of the newest entry. */
export interface AuditHead {
  /** 0: there is no entry. */
  readonly sequence: number;
  readonly hash: string;
}

/** Log of all actions and their actors, chained so that changes to it are detected. */
export interface AuditLog {
  /** Resolves once the entry is durable. */
  append(entry: NewAuditEntry): Promise<void>;
  /** Looks at a limited number of entries. */
  search(search: AuditSearch): Promise<FoundAudit>;
  /** Returns entries, newest first. */
  list(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** Entries after a number, oldest first. */
  after(sequence: number, limit: number, filter?: AuditFilter): Promise<readonly AuditEntry[]>;
  head(): Promise<AuditHead>;
  /** Checkpoints of this hub, oldest first, and what agents gave back. */
  proofs(): Promise<Omit<AuditProofs, 'key'>>;
  /** The newest one; null: there is none. */
  lastCheckpoint(): Promise<Checkpoint | null>;
  addCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** Stores a checkpoint that an agent reports to hold. */
  addWitness(cluster: string, checkpoint: Checkpoint): Promise<void>;
  /** Reads the whole log: the chain, the checkpoints and the witnesses. */
  verify(): Promise<AuditVerification>;
}

/** Head of an empty log. */
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
