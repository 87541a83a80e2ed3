import type { RejectedRevision } from '../../source/index.ts';
import type { StoredVisit } from './rollout-record.ts';
import type { Taken } from './rollout-tracker.ts';

/** What the source said of a commit. */
export type Heard = { readonly kind: 'taken'; readonly taken: Taken } | { readonly kind: 'rejected'; readonly rejected: RejectedRevision };

/** Commits that are kept for the case that this hub begins to lead; each holds the policies of its commit. */
const KEPT = 50;
/** Hubs on one database notice a commit within this time of each other. */
const SAME_MS = 60_000;

const saidOf = (heard: Heard) => (heard.kind === 'taken' ? heard.taken.revision : heard.rejected);

/** Only what is newer than the newest commit that is recorded, whichever hub recorded it. Oldest first. Pure. */
export const notRecorded = (heard: readonly Heard[], newest: StoredVisit | undefined): readonly Heard[] => {
  if (newest === undefined) return heard;
  const recordedAt = Date.parse(newest.noticed);
  const known = heard.findLastIndex((each) => {
    const { commit, times } = saidOf(each);
    return commit.revision === newest.commit.revision && Math.abs(Date.parse(times.noticed) - recordedAt) < SAME_MS;
  });
  return heard.slice(known + 1).filter((each) => saidOf(each).times.noticed > newest.noticed);
};

/** Adds what was said; a refusal that is repeated is heard once. Pure. */
export const hear = (heard: readonly Heard[], next: Heard): readonly Heard[] => {
  const last = heard.at(-1);
  const isRepeated =
    last?.kind === 'rejected' && next.kind === 'rejected' && last.rejected.commit.revision === next.rejected.commit.revision;
  return isRepeated ? heard : [...heard, next].slice(-KEPT);
};
