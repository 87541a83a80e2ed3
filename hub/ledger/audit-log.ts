import type { AuditEntry, AuditProofs, AuditVerification, NewAuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { type Checkpoint, chainHash, NO_HASH } from '@fso/shared/protocol';

/** Filter of entries. An entry matches if all given fields do. */
export interface AuditFilter {
  readonly action?: string;
  /** Id of the actor. */
  readonly actor?: string;
  readonly subject?: string;
  /** Cluster that an entry concerns: it is the actor, the target or the subject of the entry. */
  readonly cluster?: string;
  /** Key of a policy that a commit changed. */
  readonly policy?: string;
  /** RFC 3339, UTC with milliseconds. */
  readonly since?: string;
  readonly until?: string;
}

/** Query for a page of the newest entries that match a filter. */
export interface AuditQuery extends AuditFilter {
  /** Exclusive upper bound of the sequence number. */
  readonly before?: number;
  readonly limit: number;
}

/** Search of the log in a given order. */
export interface AuditSearch {
  readonly filter: AuditFilter;
  readonly order: 'asc' | 'desc';
  /**
   * Sequence number after which the search begins, in the order of the search; undefined: at its
   * beginning.
   */
  readonly from: number | undefined;
  readonly limit: number;
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

/** Page of a search of the audit log. */
export interface FoundAudit {
  readonly entries: readonly AuditEntry[];
  /**
   * Sequence number after which the next page begins; null: no more entries. A page may be short,
   * because a search examines a limited number of entries.
   */
  readonly next: number | null;
}

/** Sequence number and hash of the newest entry. */
export interface AuditHead {
  /** 0 in an empty log. */
  readonly sequence: number;
  readonly hash: string;
}

/** Log of all actions and their actors, chained so that changes to it are detected. */
export interface AuditLog {
  /** Resolves once the entry is durable. */
  append(entry: NewAuditEntry): Promise<void>;
  /** Searches a limited number of entries. */
  search(search: AuditSearch): Promise<FoundAudit>;
  /** Returns entries, newest first. */
  list(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** Returns entries after a sequence number, oldest first. */
  after(sequence: number, limit: number, filter?: AuditFilter): Promise<readonly AuditEntry[]>;
  head(): Promise<AuditHead>;
  /** Returns the checkpoints of this hub, oldest first, and those that agents returned. */
  proofs(): Promise<Omit<AuditProofs, 'key'>>;
  /** Returns the newest checkpoint; null if there is none. */
  lastCheckpoint(): Promise<Checkpoint | null>;
  addCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** Stores a checkpoint that an agent holds and reported. */
  addWitness(cluster: string, checkpoint: Checkpoint): Promise<void>;
  /** Verifies the whole log: the chain, the checkpoints and the witnesses. */
  verify(): Promise<AuditVerification>;
}

/** Head of an empty log. */
export const NO_HEAD: AuditHead = { sequence: 0, hash: NO_HASH };

/** Digest of the content of an entry: all fields but `previous` and `hash`, in canonical JSON. */
export const digestOfEntry = ({ previous: _previous, hash: _hash, ...content }: AuditEntry): string => sha256(canonicalJson(content));

/** Chains an entry to the current head. */
export const chainEntry = (entry: NewAuditEntry, head: AuditHead, time: string): AuditEntry => {
  const { actor, from, action, subject } = entry;
  // The digest must be that of the entry as it is read back from JSON.
  const detail = JSON.parse(JSON.stringify(entry.detail)) as NewAuditEntry['detail'];
  const placed = { actor, from, action, subject, detail, sequence: head.sequence + 1, time, previous: head.hash, hash: '' };
  return { ...placed, hash: chainHash(head.hash, digestOfEntry(placed)) };
};
