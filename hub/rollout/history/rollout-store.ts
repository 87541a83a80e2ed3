import { weakMemo } from '@fso/shared/runtime';
import type { KeyedReader, KeyedStore } from '../../ledger/index.ts';
import { RolloutRecord } from './rollout-record.ts';

/** Kind of the records of commits. */
export const COMMIT_KIND = 'commit';
/** Number of kept rollouts: each overwrites the one that came this many before it. */
export const ROLLOUTS_KEPT = 200;

const slotOf = ({ sequence }: RolloutRecord): string => String(sequence % ROLLOUTS_KEPT);

/** Parses a record; null if another version of the hub wrote it. */
const parseRecord = weakMemo((value: object): RolloutRecord | null => RolloutRecord.safeParse(value).data ?? null);

const parseRollout = (value: unknown): RolloutRecord | null => (typeof value === 'object' && value !== null ? parseRecord(value) : null);

/** Reads the records of all commits, newest first. */
export const readRollouts = (records: KeyedReader): readonly RolloutRecord[] =>
  records
    .list(COMMIT_KIND)
    .flatMap((value) => parseRollout(value) ?? [])
    .sort((left, right) => right.sequence - left.sequence);

/** The newest rollout of a commit. */
export const readRollout = (records: KeyedReader, revision: string): RolloutRecord | undefined =>
  readRollouts(records).find(({ commit }) => commit.revision === revision);

/** Reads the record in a slot; null if there is none that can be read. */
export const readRolloutSlot = (records: KeyedReader, slot: string): RolloutRecord | null => parseRollout(records.get(COMMIT_KIND, slot));

/**
 * Writes a rollout, unless a hub that leads by now has written a newer one to its slot. Resolves
 * once it is durable.
 */
export const writeRollout = async (records: KeyedStore, rollout: RolloutRecord): Promise<void> => {
  await records.update(COMMIT_KIND, slotOf(rollout), (before) =>
    (parseRollout(before)?.sequence ?? 0) > rollout.sequence ? before : rollout,
  );
};
