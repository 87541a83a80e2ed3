import { RolloutStrategySpec } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';

const Revision = z.string().min(1).max(64);
/** Milliseconds since 1970. */
const Time = z.number();
const Count = z.int();

/** Numbers that gates compare with those from before the cluster got the commit. */
const Facts = z.object({
  violations: Count,
  /** Owners whose next pods would be refused; null: not known. */
  refused: Count.nullable(),
  /** Owners whose next pods would stay Pending; null: not known. */
  pending: Count.nullable(),
});
export type Facts = z.infer<typeof Facts>;

const Move = z.object({
  /** Commit that the cluster is to have, although its wave has not finished it. */
  revision: Revision,
  /** Start of the time that it has to prove the commit. */
  at: Time,
  /** Facts that gates compare with: before the first commit that its wave has not finished. */
  before: Facts.optional(),
  /** Left out by the gates, which do not wait for it either. */
  unlooked: z.literal(true).optional(),
  /** Away when the run last looked. */
  away: z.literal(true).optional(),
  /** Held by its agent when the run last looked, as it lacks an approval. */
  held: z.literal(true).optional(),
  /** Proven when the run last looked. */
  seen: z.literal(true).optional(),
});
/** A cluster that is ahead of its wave. */
export type Move = z.infer<typeof Move>;

export const GATES = ['Refused', 'ProofTime', 'NewViolations', 'NewlyRefused', 'NewlyPending', 'NothingLookedAt'] as const;
export type Gate = (typeof GATES)[number];

/** Facts that gates compare. */
export const FACT_OF_GATE = { NewViolations: 'violations', NewlyRefused: 'refused', NewlyPending: 'pending' } as const satisfies Partial<
  Record<Gate, keyof Facts>
>;

const Halt = z.object({ wave: z.string(), gate: z.enum(GATES), clusters: z.array(z.string()), problem: z.string(), since: Time });
/** Failed gate that keeps a run from going on. */
export type Halt = z.infer<typeof Halt>;

/**
 * Rollout of the newest commit, as it is stored. It holds what cannot be derived from Git and the
 * reports of the clusters, and at most one entry for each cluster.
 */
const RolloutRun = z.object({
  /** Raised with each write. */
  sequence: z.int(),
  /**
   * Commit that every wave has finished. Its strategy orders the waves: a commit that changes the
   * strategy is rolled out by the one before it.
   */
  base: z.object({ revision: Revision, strategy: RolloutStrategySpec }),
  /** The newest commit. A run is under way while it is not that of the base. */
  revision: Revision,
  since: Time,
  /** Commit that each wave has finished last, by the number of the wave. */
  reached: z.array(Revision),
  moves: z.record(z.string(), Move),
  /** The wave at work: the first that has not finished the commit. null: none has begun. */
  wave: z.object({ since: Time, soakSince: Time.nullable(), waived: z.boolean() }).nullable(),
  halt: Halt.nullable(),
  paused: z.object({ since: Time, by: z.string().max(512) }).nullable(),
});
export type RolloutRun = z.infer<typeof RolloutRun>;

/** Move of a cluster; undefined: it is not ahead. A cluster may be named `constructor`. */
export const moveOf = ({ moves }: Pick<RolloutRun, 'moves'>, cluster: string): Move | undefined =>
  Object.hasOwn(moves, cluster) ? moves[cluster] : undefined;

/** Whether some wave has yet to finish the newest commit. */
export const isUnderWay = (run: RolloutRun | undefined): boolean => run !== undefined && run.base.revision !== run.revision;

/** Commits whose policies have to be known to go on with a run. */
export const commitsOf = ({ base, reached, moves, revision }: RolloutRun): readonly string[] => [
  base.revision,
  revision,
  ...reached,
  ...Object.values(moves).map((move) => move.revision),
];

/** Kind and name of the record of the run. */
export const RUN_KEY = { kind: 'rollout', name: 'run' } as const;

const parse = weakMemo((value: object): RolloutRun | undefined => RolloutRun.safeParse(value).data);

/** @returns undefined: there is none, or another version wrote it */
export const parseRun = (value: unknown): RolloutRun | undefined =>
  typeof value === 'object' && value !== null ? parse(value) : undefined;
