import type { AuditEntry, AuditProofs, AuditVerification } from '@fso/shared/api';
import { type Checkpoint, chainHash, isSigned } from '@fso/shared/protocol';
import { type AuditHead, digestOfEntry, NO_HEAD } from '../audit-log.ts';
import { type KeyChange, keyChangeOf, keysUpTo } from './key-change.ts';

const MAX_PROBLEMS = 100;

type Problem = AuditVerification['problems'][number];

/** Checkpoints and keys against which the log is verified. */
export interface Proofs extends Omit<AuditProofs, 'key'> {
  /**
   * Public audit key of the hub, as the caller knows it; null: that of the newest checkpoint.
   * Earlier keys are accepted if the log announces their replacement.
   */
  readonly key: string | null;
}

/** Returns the reason why an entry does not follow the previous one; undefined if it does. */
const entryProblem = (entry: AuditEntry, before: AuditHead): string | undefined => {
  const expected = before.sequence + 1;
  if (entry.sequence < expected) return `entry ${entry.sequence} comes after ${before.sequence}: entries are reordered or doubled`;
  if (entry.sequence > expected) return `entries ${expected} to ${entry.sequence - 1} are missing`;
  if (entry.previous !== before.hash)
    return `entry ${entry.sequence} does not follow on entry ${before.sequence}: its previous hash is another`;
  if (entry.hash !== chainHash(entry.previous, digestOfEntry(entry)))
    return `entry ${entry.sequence} was changed: its hash is not that of its content`;
  return undefined;
};

interface Claim {
  readonly who: string;
  readonly checkpoint: Checkpoint;
}

const claimsOf = ({ checkpoints, witnesses }: Proofs): Claim[] => [
  ...checkpoints.map((checkpoint) => ({ who: 'the hub', checkpoint })),
  ...witnesses.map(({ cluster, checkpoint }) => ({ who: `the agent of ${cluster}`, checkpoint })),
];

const nameOf = ({ who, checkpoint }: Claim): string => `the checkpoint of entry ${checkpoint.sequence} that ${who} keeps`;

const claimProblem = (claim: Claim, hash: string | undefined): string | undefined => {
  const what = nameOf(claim);
  if (!isSigned(claim.checkpoint)) return `${what} is not signed by the key that it names`;
  if (hash === undefined) return `${what} is beyond the end of the log: entries were cut off`;
  return hash === claim.checkpoint.hash ? undefined : `${what} has another hash: the log was rewritten`;
};

interface Reading {
  readonly problems: readonly Problem[];
  readonly count: number;
  readonly head: AuditHead;
  /** Hashes of the entries that checkpoints and witnesses refer to, by sequence number. */
  readonly hashes: ReadonlyMap<number, string>;
  readonly changes: readonly KeyChange[];
}

const readEntries = async (entries: AsyncIterable<AuditEntry>, wanted: ReadonlySet<number>): Promise<Reading> => {
  const problems: Problem[] = [];
  const hashes = new Map<number, string>();
  const changes: KeyChange[] = [];
  let count = 0;
  let head = NO_HEAD;
  for await (const entry of entries) {
    const message = entryProblem(entry, head);
    if (message !== undefined && problems.length < MAX_PROBLEMS) problems.push({ sequence: entry.sequence, message });
    head = { sequence: entry.sequence, hash: entry.hash };
    if (wanted.has(entry.sequence)) hashes.set(entry.sequence, entry.hash);
    const change = keyChangeOf(entry);
    if (change !== undefined) changes.push(change);
    count += 1;
  }
  return { problems, count, head, hashes, changes };
};

/** Result of examining a log. */
export interface Examination extends Omit<AuditVerification, 'ok'> {
  /**
   * Checkpoints by keys that the log does not announce: forged, or of a key that was replaced
   * silently. They are not included in `problems`.
   */
  readonly foreign: readonly Problem[];
}

/** Verifies a log like {@link verifyAudit}, but reports checkpoints of unknown keys separately. */
export const examineAudit = async (entries: AsyncIterable<AuditEntry>, proofs: Proofs): Promise<Examination> => {
  const claims = claimsOf(proofs);
  const checkpoints = claims.map(({ checkpoint }) => checkpoint);
  const { problems, count, head, hashes, changes } = await readEntries(entries, new Set(checkpoints.map(({ sequence }) => sequence)));
  const key = proofs.key ?? (proofs.checkpoints.at(-1) ?? checkpoints[0])?.key;
  const keys = key === undefined ? undefined : keysUpTo(key, changes, checkpoints);
  const broken = claims.flatMap((claim) => {
    const message = claimProblem(claim, hashes.get(claim.checkpoint.sequence));
    return message === undefined ? [] : [{ sequence: claim.checkpoint.sequence, message }];
  });
  const foreign = claims
    .filter(({ checkpoint }) => keys?.has(checkpoint.key) === false)
    .map((claim) => ({
      sequence: claim.checkpoint.sequence,
      message: `${nameOf(claim)} is signed by another key (${claim.checkpoint.key})`,
    }));
  return {
    entries: count,
    head: head.sequence === 0 ? null : head,
    checkpoints: proofs.checkpoints.length,
    witnesses: proofs.witnesses.length,
    problems: [...problems, ...broken].slice(0, MAX_PROBLEMS),
    foreign: foreign.slice(0, MAX_PROBLEMS),
  };
};

/**
 * Reads a log from its first entry and compares it with the signed checkpoints. The hash chain
 * reveals changed, missing or reordered entries. Checkpoints and witnesses reveal a log that was
 * truncated or rewritten as a whole.
 *
 * @param entries oldest first
 */
export const verifyAudit = async (entries: AsyncIterable<AuditEntry>, proofs: Proofs): Promise<AuditVerification> => {
  const { foreign, ...found } = await examineAudit(entries, proofs);
  const problems = [...found.problems, ...foreign].slice(0, MAX_PROBLEMS);
  return { ok: problems.length === 0, ...found, problems };
};
