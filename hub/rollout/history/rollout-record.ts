import { CommitView, PolicyChanges, ProblemView, RevisionVerification } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { z } from 'zod';
import type { ClusterRecord } from '../../ledger/index.ts';
import { PackedSteps, packSteps, STEPS, type Step, StepTable } from './cluster-steps.ts';

/**
 * Stored progress of one commit. A commit that comes into force a second time, after another one,
 * has a second record.
 */

const Time = z.string();
/** Steps in records of older versions: a list of times for each cluster. */
const LegacySteps = z.record(z.string(), z.array(z.int().nullable()).length(STEPS.length));

const StoredRollout = z.object({
  /** Grows with each rollout. */
  sequence: z.int(),
  commit: CommitView,
  verification: RevisionVerification.nullable(),
  noticed: Time,
  /**
   * Whether the commit was followed from the beginning. If not, it was in force before its record
   * began, and its duration is not known.
   */
  watched: z.boolean(),
  hub: z.object({
    fetched: Time.nullable(),
    judged: Time.nullable(),
    compiled: Time.nullable(),
    released: Time.nullable(),
  }),
  /** Reasons why the hub refused it; null: it did not. */
  problems: z.array(ProblemView).nullable(),
  changes: PolicyChanges,
  counts: z.object({ added: z.int(), changed: z.int(), removed: z.int() }),
  /**
   * Steps in a record of an older version; else empty, so that such a version can read the rest.
   */
  clusters: LegacySteps,
  steps: PackedSteps.optional(),
  refused: z.record(z.string(), z.object({ at: z.int(), reasons: z.array(ProblemView) })),
  /** Whether a newer commit came before this one was enforced. */
  superseded: z.boolean(),
  enforced: Time.nullable(),
});

/** Record of one commit's way through hub and clusters, as the ledger keeps it. */
export const RolloutRecord = StoredRollout.transform(({ clusters, steps = packSteps(Object.entries(clusters)), ...rest }) => ({
  ...rest,
  clusters: {},
  steps,
}));
export type RolloutRecord = z.infer<typeof RolloutRecord>;

const MAX_NAMES = 500;
/**
 * Limits of stored refusals: `kept` reasons of some `characters` for the first `of` clusters. Each
 * further cluster has one reason, as they mostly repeat.
 */
const REASONS = { kept: 5, characters: 500, of: 50 };

/** Limits the names of changed policies. The counts are those of all. */
export const withChanges = ({ added, changed, removed }: PolicyChanges): Pick<RolloutRecord, 'changes' | 'counts'> => ({
  changes: { added: added.slice(0, MAX_NAMES), changed: changed.slice(0, MAX_NAMES), removed: removed.slice(0, MAX_NAMES) },
  counts: { added: added.length, changed: changed.length, removed: removed.length },
});

type Start = Pick<RolloutRecord, 'sequence' | 'commit' | 'noticed'> & Partial<RolloutRecord>;

/** Creates the record of a commit. @param clusters names of those that should get it */
export const createRolloutRecord = (start: Start, clusters: readonly string[]): RolloutRecord => ({
  verification: null,
  watched: true,
  hub: { fetched: null, judged: null, compiled: null, released: null },
  problems: null,
  changes: { added: [], changed: [], removed: [] },
  counts: { added: 0, changed: 0, removed: 0 },
  clusters: {},
  steps: new StepTable(clusters).pack(),
  refused: {},
  superseded: false,
  enforced: null,
  ...start,
});

/**
 * Whether a cluster has reached a step of a commit. A step counts only with the steps before it: a
 * report may still name this commit from an earlier time in which it was in force.
 */
const hasReached = (record: ClusterRecord, step: Step, revision: string): boolean => {
  switch (step) {
    case 'offered':
      return record.offeredRevision === revision;
    case 'accepted':
      return record.acked?.revision === revision && record.nack?.revision !== revision;
    case 'written':
      return record.report?.revision === revision && hasReached(record, 'accepted', revision);
    case 'proven':
      return record.report?.provenRevision === revision && hasReached(record, 'written', revision);
  }
};

const shorten = (reasons: NonNullable<ClusterRecord['nack']>['reasons'], refusals: number) =>
  reasons
    .slice(0, refusals < REASONS.of ? REASONS.kept : 1)
    .map(({ message, ...place }) => ({ ...place, reason: message.slice(0, REASONS.characters) }));

/**
 * Notes the refusal of a commit, which stands until the agent accepts another offer of it.
 *
 * @returns whether the rollout has changed
 */
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

/** Copies the parts that are changed in place. */
const copyOf = (rollout: RolloutRecord): RolloutRecord => ({ ...rollout, hub: { ...rollout.hub }, refused: { ...rollout.refused } });

/** A rollout that may still change, and the work that it needs besides being written. */
export class RolloutEntry {
  readonly rollout: RolloutRecord;
  /** Milliseconds since 1970. */
  readonly noticedMs: number;
  /** Policies still to be compared. */
  compare?: { readonly before: PolicySet | undefined; readonly after: PolicySet } | undefined;
  /** Whether the audit log still lacks its changes. */
  isUnaudited: boolean = false;
  /** Unpacked steps, which replace those of the record once they are needed. */
  #steps: StepTable | undefined;

  /** @param rollout is copied, and does not change */
  constructor(rollout: RolloutRecord) {
    this.rollout = copyOf(rollout);
    this.noticedMs = Date.parse(rollout.noticed);
  }

  get steps(): StepTable {
    this.#steps ??= StepTable.unpack(this.rollout.steps);
    return this.#steps;
  }

  /** Returns a copy of the current record, which later changes do not affect. */
  toRecord(): RolloutRecord {
    const record = copyOf(this.rollout);
    return this.#steps === undefined ? record : { ...record, steps: this.#steps.pack() };
  }

  /**
   * Notes the steps that a cluster has reached. The entry changes in place, as thousands of reports
   * may come.
   *
   * @param at milliseconds after `noticed`
   * @returns whether the rollout has changed
   */
  note(record: ClusterRecord, at: number): boolean {
    const { revision } = this.rollout.commit;
    let isFurther = false;
    for (const step of STEPS) {
      const since = this.#reachedAt(step, record, at);
      if (hasReached(record, step, revision) && this.steps.note(record.name, step, since)) isFurther = true;
    }
    const isAnswered = noteRefusal(this.rollout, record, { at, accepted: hasReached(record, 'accepted', revision) });
    if (isAnswered) this.steps.add(record.name);
    return isFurther || isAnswered;
  }

  /**
   * Returns the time of a step, which may be earlier than now: an offer is noted with its answer,
   * and an ack may have waited at its agent.
   */
  #reachedAt(step: Step, { name, offeredAt, acked }: ClusterRecord, at: number): number {
    if (step === 'offered' && offeredAt !== null) return Math.min(at, Math.max(0, Date.parse(offeredAt) - this.noticedMs));
    if (step === 'accepted') return Math.max(this.steps.at(name, 'offered') ?? 0, at - (acked?.heldMs ?? 0));
    return at;
  }

  /**
   * Milliseconds from the offer of the commit to a cluster until its proof; undefined if one of the
   * two is not known.
   */
  provenAfter(cluster: string): number | undefined {
    const [offered, proven] = [this.steps.at(cluster, 'offered'), this.steps.at(cluster, 'proven')];
    return offered === undefined || proven === undefined ? undefined : Math.max(0, proven - offered);
  }

  /**
   * Returns the time at which the last of the clusters that count proved or refused the commit.
   *
   * @param counts names of these clusters
   * @returns milliseconds after `noticed`; undefined if some have not answered yet
   */
  answeredAt(counts: readonly string[]): number | undefined {
    if (counts.length === 0) return undefined;
    let last = 0;
    for (const name of counts) {
      const answered = this.rollout.refused[name]?.at ?? this.steps.at(name, 'proven');
      if (answered === undefined) return undefined;
      last = Math.max(last, answered);
    }
    return last;
  }

  /** Returns the same time as `answeredAt`, unless some cluster has refused the commit. */
  enforcedAt(counts: readonly string[]): number | undefined {
    return Object.keys(this.rollout.refused).length > 0 ? undefined : this.answeredAt(counts);
  }
}
