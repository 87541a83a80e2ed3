import type { AuditEntry, AuditProofs, AuditVerification } from '@fso/shared/api';
import { type Checkpoint, chainHash, isSigned } from '@fso/shared/protocol';
import { digestOfEntry, NO_HEAD } from './chain.ts';
import type { AuditHead } from './types.ts';

const MAX_PROBLEMS = 100;

type Problem = AuditVerification['problems'][number];

export interface Proofs extends Omit<AuditProofs, 'key'> {
  /** The hub's public audit key, as whoever asks knows it; null: every key is taken, but only one. */
  readonly key: string | null;
}

/** Why an entry does not follow on the one before it. */
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

const claimProblem = ({ who, checkpoint }: Claim, hash: string | undefined, key: string | undefined): string | undefined => {
  const what = `the checkpoint of entry ${checkpoint.sequence} that ${who} keeps`;
  if (!isSigned(checkpoint)) return `${what} is not signed by the key that it names`;
  if (key !== undefined && checkpoint.key !== key) return `${what} is signed by another key (${checkpoint.key})`;
  if (hash === undefined) return `${what} is beyond the end of the log: entries were cut off`;
  return hash === checkpoint.hash ? undefined : `${what} has another hash: the log was rewritten`;
};

/**
 * Reads a log from its first entry on and compares it with the checkpoints that were signed. The chain finds what was changed, left out
 * or reordered; checkpoints and witnesses find what was cut off at the end, or written anew as a whole.
 *
 * @param entries oldest first
 */
export const verifyAudit = async (entries: AsyncIterable<AuditEntry>, proofs: Proofs): Promise<AuditVerification> => {
  const problems: Problem[] = [];
  const note = (sequence: number | null, message: string | undefined): void => {
    if (message !== undefined && problems.length < MAX_PROBLEMS) problems.push({ sequence, message });
  };
  const claims = claimsOf(proofs);
  const wanted = new Set(claims.map(({ checkpoint }) => checkpoint.sequence));
  const hashes = new Map<number, string>();
  let count = 0;
  let head = NO_HEAD;
  for await (const entry of entries) {
    note(entry.sequence, entryProblem(entry, head));
    head = { sequence: entry.sequence, hash: entry.hash };
    if (wanted.has(entry.sequence)) hashes.set(entry.sequence, entry.hash);
    count += 1;
  }
  const key = proofs.key ?? claims[0]?.checkpoint.key;
  for (const claim of claims) note(claim.checkpoint.sequence, claimProblem(claim, hashes.get(claim.checkpoint.sequence), key));
  return {
    ok: problems.length === 0,
    entries: count,
    head: head.sequence === 0 ? null : head,
    checkpoints: proofs.checkpoints.length,
    witnesses: proofs.witnesses.length,
    problems,
  };
};
