import type { Records } from '../../ledger/index.ts';
import { StoredVisit } from './rollout-record.ts';

/** Kind of the records of commits. */
export const COMMIT_KIND = 'commit';
/** Visits kept: each takes the place of the one that came this many before it. */
export const VISITS_KEPT = 200;

const slotOf = ({ sequence }: StoredVisit): string => String(sequence % VISITS_KEPT);

/** Records are replaced, never changed, so that each is looked through once. null: one that another version wrote. */
const parsed = new WeakMap<object, StoredVisit | null>();

const visitOf = (value: unknown): StoredVisit | null => {
  if (typeof value !== 'object' || value === null) return null;
  const known = parsed.get(value);
  if (known !== undefined) return known;
  const visit = StoredVisit.safeParse(value).data ?? null;
  parsed.set(value, visit);
  return visit;
};

/** Newest first. */
export const readVisits = (records: Records): readonly StoredVisit[] =>
  records
    .list(COMMIT_KIND)
    .flatMap((value) => visitOf(value) ?? [])
    .sort((left, right) => right.sequence - left.sequence);

/** The newest visit of a commit. */
export const readVisit = (records: Records, revision: string): StoredVisit | undefined =>
  readVisits(records).find(({ commit }) => commit.revision === revision);

export const visitAt = (records: Records, slot: string): StoredVisit | null => visitOf(records.get(COMMIT_KIND, slot));

/** Keeps a copy; one that is newer, of whoever leads by now, stays. Resolves once it is durable. */
export const writeVisit = async (records: Records, visit: StoredVisit): Promise<void> => {
  const copy = structuredClone(visit);
  await records.update(COMMIT_KIND, slotOf(visit), (before) => ((visitOf(before)?.sequence ?? 0) > visit.sequence ? before : copy));
};
