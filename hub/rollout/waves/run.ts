import { RolloutStrategySpec } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import { StepMemo } from '@fso/shared/runtime';
import { z } from 'zod';

const Revision = z.string().min(1).max(64);
/** Milliseconds since 1970. */
const Time = z.number();
const Count = z.int();

const Facts = z.object({
  violations: Count,
  /** Owners whose next pods would be refused; null: not known. */
  refused: Count.nullable(),
  /** Owners whose next pods would stay Pending; null: not known. */
  pending: Count.nullable(),
});
/** Numbers that gates compare with those from before the cluster got the commit. */
export type Facts = z.infer<typeof Facts>;

const Move = z.object({
  /** Commit that the cluster is to have, before its wave has finished it. */
  revision: Revision,
  /** Start of the time within which it has to prove the commit. */
  at: Time,
  /**
   * Facts from before the first commit that its wave has not finished, for gates to compare with.
   */
  before: Facts.optional(),
  /** Left out by the gates, so that the wave does not wait for it either. */
  unlooked: z.literal(true).optional(),
  /** Away when the run was last planned. */
  away: z.literal(true).optional(),
  /** Held by its agent for lack of an approval when the run was last planned. */
  held: z.literal(true).optional(),
  /** Proven when the run was last planned. */
  seen: z.literal(true).optional(),
  /**
   * Absences since it last stayed for the whole time to proof: start of the first one, whether
   * there were more, and when it came back from the last one.
   */
  absences: z.object({ since: Time, isRepeated: z.boolean(), back: Time.nullable() }).optional(),
});
/** A cluster that is ahead of its wave. */
export type Move = z.infer<typeof Move>;

/** Checks of a wave, by name; one that fails halts the waves after it. */
export const GATES = ['Refused', 'ProofTime', 'NewViolations', 'NewlyRefused', 'NewlyPending', 'NothingLookedAt'] as const;
/** Check of a wave; if it fails, it halts the waves after it. */
export type Gate = (typeof GATES)[number];

/** Fact that each gate compares. */
export const FACT_OF_GATE = { NewViolations: 'violations', NewlyRefused: 'refused', NewlyPending: 'pending' } as const satisfies Partial<
  Record<Gate, keyof Facts>
>;

const Halt = z.object({ wave: z.string(), gate: z.enum(GATES), clusters: z.array(z.string()), problem: z.string(), since: Time });
/** Failed gate that stops a run. */
export type Halt = z.infer<typeof Halt>;

const Immediate = z.object({
  /** Commit that every wave had before. */
  from: Revision,
  since: Time,
  /** Signer of the commit, and those who signed tags for it. */
  signer: z.string(),
  taggedBy: z.array(z.string()),
});

/** Superseded commits that a run remembers. */
export const MAX_SUPERSEDED = 100;

/**
 * Rollout of the newest commit, as it is stored. It holds what cannot be derived from Git and the
 * reports of the clusters, and at most one entry for each cluster.
 */
const RolloutRun = z.object({
  /** Raised with each write. */
  sequence: z.int(),
  /**
   * Commit that every wave has finished. Its strategy orders the waves, so a commit that changes
   * the strategy is rolled out by the previous strategy.
   */
  base: z.object({ revision: Revision, strategy: RolloutStrategySpec }),
  /** The newest commit. The run is under way while this differs from the base. */
  revision: Revision,
  since: Time,
  /** Commits between the base and the newest one, in their order; the oldest are forgotten. */
  superseded: z.array(Revision).max(MAX_SUPERSEDED).default([]),
  /** Commit that each wave has finished last, by the number of the wave. */
  reached: z.array(Revision),
  moves: z.record(z.string(), Move),
  /** The wave at work: the first that has not finished the commit. null: none has begun. */
  wave: z.object({ since: Time, soakSince: Time.nullable(), waived: z.boolean() }).nullable(),
  halt: Halt.nullable(),
  paused: z.object({ since: Time, by: z.string().max(512) }).nullable(),
  /** Signed tags by which the commit skipped its waves; absent if it did not. */
  immediate: Immediate.optional(),
});
/** Stored state of the rollout of the newest commit in waves. */
export type RolloutRun = z.infer<typeof RolloutRun>;

/** Move of a cluster; undefined if it is not ahead. A cluster may be named `constructor`. */
export const moveOf = ({ moves }: Pick<RolloutRun, 'moves'>, cluster: string): Move | undefined =>
  Object.hasOwn(moves, cluster) ? moves[cluster] : undefined;

/** Whether all fields of two moves are the same. */
export const isEqualMove = (left: Move, right: Move): boolean => {
  const keys = Object.keys(left) as (keyof Move)[];
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
};

const textOfRest = ({ moves: _, ...rest }: RolloutRun): string => canonicalJson(rest);

/** Whether two runs are equal. Moves that a plan did not change are the same objects in both. */
export const isEqualRun = (left: RolloutRun | undefined, right: RolloutRun | undefined): boolean => {
  if (left === undefined || right === undefined) return left === right;
  const names = Object.keys(left.moves);
  if (names.length !== Object.keys(right.moves).length || textOfRest(left) !== textOfRest(right)) return false;
  return names.every((name) => {
    const [before, after] = [moveOf(left, name), moveOf(right, name)];
    return before === after || canonicalJson(before) === canonicalJson(after);
  });
};

/** Whether some wave has yet to finish the newest commit. */
export const isUnderWay = (run: RolloutRun | undefined): boolean => run !== undefined && run.base.revision !== run.revision;

/**
 * Position of a commit that a run does not remember: between the base and all that it remembers.
 */
const FORGOTTEN = 0.5;

/** Position of a commit in the order in which the run met it; the base has 0. */
const positionIn = ({ base, superseded, revision }: RolloutRun, commit: string, unknown: number): number => {
  if (commit === revision) return superseded.length + 1;
  const at = superseded.lastIndexOf(commit);
  if (at >= 0) return at + 1;
  return commit === base.revision ? 0 : unknown;
};

/**
 * Returns the later of two commits: the target of a cluster, and one that it has or was offered. If
 * the run may have forgotten commits, an unknown one counts as later than the base, so that the
 * cluster keeps it.
 */
export const laterOf = (run: RolloutRun, target: string, has: string): string => {
  if (target === has) return target;
  const unknown = run.superseded.length < MAX_SUPERSEDED ? -1 : FORGOTTEN;
  return positionIn(run, has, unknown) >= positionIn(run, target, FORGOTTEN) ? has : target;
};

/** Most older commits that are read for a run; the latest take precedence. */
const MAX_OLDER = 16;

/**
 * Commits whose policies are needed to plan a run.
 *
 * @param had commits that clusters have or were offered; those that the run forgot do not count
 */
export const commitsOf = (run: RolloutRun, had: Iterable<string>): readonly string[] => {
  const { base, reached, moves, revision, superseded, immediate } = run;
  const remembered = new Set(superseded);
  const older = new Set([...Object.values(moves).map((move) => move.revision), ...[...had].filter((each) => remembered.has(each))]);
  const latest = [...older].sort((a, b) => positionIn(run, b, FORGOTTEN) - positionIn(run, a, FORGOTTEN)).slice(0, MAX_OLDER);
  return [base.revision, revision, ...(immediate === undefined ? [] : [immediate.from]), ...reached, ...latest];
};

/** Kind and name of the record of the run. */
export const RUN_KEY = { kind: 'rollout', name: 'run' } as const;

const parsed = new StepMemo((value: object): RolloutRun | undefined => RolloutRun.safeParse(value).data);

/** Parses a stored run; undefined if there is none, or another version of the hub wrote it. */
export const parseRun = (value: unknown): RolloutRun | undefined =>
  typeof value === 'object' && value !== null ? parsed.get(value) : undefined;

/** Numbers a run to store, and caches it so that {@link parseRun} returns it without parsing. */
export const asStored = (run: RolloutRun, sequence: number): RolloutRun => {
  const next = { ...run, sequence };
  parsed.note(next, next);
  return next;
};
