import { CommitView, PolicyChanges, ProblemView, RevisionVerification } from '@fso/shared/api';
import { own } from '@fso/shared/runtime';
import { z } from 'zod';
import type { ClusterRecord } from '../../ledger/index.ts';

/**
 * The way of one commit, as it is kept. A commit that comes into force a second time, after another one, has a second one.
 *
 * Times of clusters are milliseconds after `noticed`, so that the ways of hundreds of clusters stay small.
 */

const Time = z.string();
/** In the order of {@link STEPS}. */
const Steps = z.array(z.int().nullable()).length(4);

export const STEPS = ['offered', 'accepted', 'written', 'proven'] as const;
export type Step = (typeof STEPS)[number];

export const RolloutRecord = z.object({
  /** Grows with each rollout. */
  sequence: z.int(),
  commit: CommitView,
  verification: RevisionVerification.nullable(),
  noticed: Time,
  /** Its way was followed from the beginning. false: it was found in force when the record began, and how long it took is not known. */
  watched: z.boolean(),
  hub: z.object({
    fetched: Time.nullable(),
    judged: Time.nullable(),
    compiled: Time.nullable(),
    released: Time.nullable(),
  }),
  /** Why the hub refused it; null: it did not. */
  problems: z.array(ProblemView).nullable(),
  changes: PolicyChanges,
  counts: z.object({ added: z.int(), changed: z.int(), removed: z.int() }),
  clusters: z.record(z.string(), Steps),
  refused: z.record(z.string(), z.object({ at: z.int(), reasons: z.array(ProblemView) })),
  /** A newer commit came before it was enforced. */
  superseded: z.boolean(),
  enforced: Time.nullable(),
});
export type RolloutRecord = z.infer<typeof RolloutRecord>;

const MAX_NAMES = 500;
/** Reasons of a refusal that are kept: where many clusters refuse, each says the same. */
const REASONS = { kept: 5, characters: 500, of: 50 };

const NO_STEPS = [null, null, null, null];

/** The names of at most so many; the counts say how many there are. */
export const withChanges = ({ added, changed, removed }: PolicyChanges): Pick<RolloutRecord, 'changes' | 'counts'> => ({
  changes: { added: added.slice(0, MAX_NAMES), changed: changed.slice(0, MAX_NAMES), removed: removed.slice(0, MAX_NAMES) },
  counts: { added: added.length, changed: changed.length, removed: removed.length },
});

type Start = Pick<RolloutRecord, 'sequence' | 'commit' | 'noticed'> & Partial<RolloutRecord>;

/** @param clusters those that are meant to have it */
export const createRolloutRecord = (start: Start, clusters: readonly string[]): RolloutRecord => ({
  verification: null,
  watched: true,
  hub: { fetched: null, judged: null, compiled: null, released: null },
  problems: null,
  changes: { added: [], changed: [], removed: [] },
  counts: { added: 0, changed: 0, removed: 0 },
  clusters: Object.fromEntries(clusters.map((name) => [name, [...NO_STEPS]])),
  refused: {},
  superseded: false,
  enforced: null,
  ...start,
});

/**
 * How far a cluster is with a commit. Each step counts only with those before it: a report may still speak of a commit that the cluster
 * is on its way back to.
 */
const reachedBy = (record: ClusterRecord, revision: string): Readonly<Record<Step, boolean>> => {
  const accepted = record.acked?.revision === revision && record.nack?.revision !== revision;
  const written = accepted && record.report?.revision === revision;
  return {
    offered: record.offeredRevision === revision,
    accepted,
    written,
    proven: written && record.report?.provenRevision === revision,
  };
};

const shorten = (reasons: NonNullable<ClusterRecord['nack']>['reasons'], refusals: number) =>
  reasons
    .slice(0, refusals < REASONS.of ? REASONS.kept : 1)
    .map(({ message, ...place }) => ({ ...place, reason: message.slice(0, REASONS.characters) }));

const OFFERED = STEPS.indexOf('offered');

/** @param heldMs for which the agent held its ack back @returns whether there were any */
const noteSteps = (steps: (number | null)[], reached: ReturnType<typeof reachedBy>, at: number, heldMs: number): boolean => {
  const fresh = [...STEPS.entries()].filter(([index, step]) => reached[step] && steps[index] === null);
  for (const [index, step] of fresh) steps[index] = step === 'accepted' ? Math.max(steps[OFFERED] ?? 0, at - heldMs) : at;
  return fresh.length > 0;
};

/** The nack stands until the agent, offered the commit again, takes it. @returns whether that is news */
const noteRefusal = (
  rollout: RolloutRecord,
  { name, nack }: ClusterRecord,
  { at, accepted }: { at: number; accepted: boolean },
): boolean => {
  const isKnown = Object.hasOwn(rollout.refused, name);
  if (nack?.revision === rollout.commit.revision && !isKnown) {
    rollout.refused[name] = { at, reasons: shorten(nack.reasons, Object.keys(rollout.refused).length) };
    return true;
  }
  if (!accepted || !isKnown) return false;
  delete rollout.refused[name];
  return true;
};

/**
 * Notes in the record what the hub knows about a cluster, in place: it may be one of thousands of reports.
 *
 * @param at ms after `noticed`
 * @returns whether that is news
 */
export const noteCluster = (rollout: RolloutRecord, record: ClusterRecord, at: number): boolean => {
  const reached = reachedBy(record, rollout.commit.revision);
  const steps = own(rollout.clusters, record.name) ?? [...NO_STEPS];
  const isFurther = noteSteps(steps, reached, at, record.acked?.heldMs ?? 0);
  const isAnswered = noteRefusal(rollout, record, { at, accepted: reached.accepted });
  if (isFurther || isAnswered) rollout.clusters[record.name] = steps;
  return isFurther || isAnswered;
};

const PROVEN = STEPS.indexOf('proven');

/** Milliseconds from the offer of a commit to a cluster until its proof; undefined: one of the two is not known. */
export const provenAfter = ({ clusters }: RolloutRecord, cluster: string): number | undefined => {
  const steps = own(clusters, cluster);
  const [offered, proven] = [steps?.[OFFERED] ?? null, steps?.[PROVEN] ?? null];
  return offered === null || proven === null ? undefined : Math.max(0, proven - offered);
};

/**
 * When the last of the clusters that count had proven the commit.
 *
 * @param counts names of those that are connected
 * @returns ms after `noticed`; undefined: not yet
 */
export const enforcedAt = ({ clusters, refused }: RolloutRecord, counts: readonly string[]): number | undefined => {
  if (counts.length === 0 || Object.keys(refused).length > 0) return undefined;
  const times = counts.map((name) => own(clusters, name)?.[PROVEN] ?? null);
  return times.every((time) => time !== null) ? Math.max(...times) : undefined;
};
