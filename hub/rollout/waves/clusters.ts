import type { HeldRevision, RolloutStrategySpec } from '@fso/shared/api';
import { durationMs, type SelectedCluster, type WaveMembers, wavesOf } from '@fso/shared/rollout';
import type { TagVerdict } from '@fso/shared/trust';
import type { HeldCluster } from '../../ledger/index.ts';
import { type Facts, laterOf, type Move, moveOf, type RolloutRun } from './run.ts';

/** State of a cluster for the plan of a rollout. Commits and digests are null if there are none. */
export interface RolloutCluster extends SelectedCluster {
  /** Whether the newest commit registers it. If not, it leaves, and no wave waits for it. */
  readonly isRegistered: boolean;
  /** Digest of the policies that its agent enforces. */
  readonly enforced: string | null;
  /** Commit that every lock has proven; null also where that is not known now. */
  readonly proven: string | null;
  /** Commit that its agent has accepted last. */
  readonly accepted: string | null;
  /** Commits that it has accepted, or was or is to be offered and did not refuse. */
  readonly had: readonly string[];
  /** Commit that its agent has refused. */
  readonly refused: string | null;
  /**
   * Commit of which its agent lacks objects so far. This is no refusal of the commit itself.
   */
  readonly lacking: string | null;
  /** Commit that its agent does not take yet, as it lacks an approval; null also where unknown. */
  readonly held: HeldRevision | null;
  /** Time since when it is not connected or not observed, in ms since 1970; null if it is both. */
  readonly awaySince: number | null;
  /** Whether the planning hub saw it leave: it was there when that hub began to watch. */
  readonly wasSeenLeaving: boolean;
  /** null: not known now. */
  readonly facts: Facts | null;
}

/** Tags about a commit, as the hub judges them. */
export interface JudgedTags extends TagVerdict {
  /** Signer of the commit; empty if unknown, and then no tag counts. */
  readonly signer: string;
}

/** Approval of an unseen wave: one whose gates have looked at no cluster. */
export interface UnseenApproval extends JudgedTags {
  readonly wave: string;
  /** Reason why an operator may pass the gate instead; null if only tags can. */
  readonly unneeded: string | null;
}

/** State of the fleet, from which {@link planRun} decides which clusters may move. */
export interface RolloutInput {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly newest: {
    readonly revision: string;
    readonly strategy: RolloutStrategySpec | undefined;
    /** Tags to skip waves; undefined if the commit does not ask to, or has finished them. */
    readonly immediate?: JudgedTags | undefined;
    /** undefined if no unseen wave halted the run when it was read. */
    readonly approval?: UnseenApproval | undefined;
  };
  /** Clusters that the newest commit or the base registers. */
  readonly clusters: ReadonlyMap<string, RolloutCluster>;
  /** Digest of the policies that a commit gives a cluster; undefined if it cannot be read. */
  readonly digestOf: (cluster: string, revision: string) => string | undefined;
}

/** Progress of a cluster that a wave has moved. */
export type Progress =
  /** Proven, and all facts are known. */
  | 'proven'
  /** Away for so long that no wave waits for it. */
  | 'away'
  /** Left out by the gates. */
  | 'unlooked'
  | 'refused'
  /** Unproven within its time. */
  | 'late'
  | 'moving';

/** A cluster that a wave has moved. */
export interface MovedCluster {
  readonly cluster: RolloutCluster;
  readonly move: Move;
  readonly progress: Progress;
}

const DEFAULT_UNREACHABLE = '5m';
const DEFAULT_PROOF = '10m';

/**
 * Progress of a cluster that leaves repeatedly. An agent that lacks objects reconnects to ask for
 * them, so its wave must not continue without it as it does without one that is away.
 */
const progressOfUnsteady = ({ lacking }: RolloutCluster, { revision }: Move): Progress => (lacking === revision ? 'late' : 'away');

/** A wave with its rules. */
export class Wave {
  readonly number: number;
  readonly name: string;
  readonly members: readonly string[];
  readonly rule: WaveMembers['wave'];
  readonly soakMs: number;
  readonly proofMs: number;
  readonly #unreachableMs: number;

  constructor({ name, wave, clusters }: WaveMembers, number: number, strategy: RolloutStrategySpec) {
    this.number = number;
    this.name = name;
    this.members = clusters;
    this.rule = wave;
    this.soakMs = durationMs(wave?.soak ?? '0s');
    this.proofMs = durationMs(wave?.proofWithin ?? DEFAULT_PROOF);
    this.#unreachableMs = durationMs(strategy.unreachableAfter ?? DEFAULT_UNREACHABLE);
  }

  /** Whether its gates compare facts, in addition to refusals and the time to proof. */
  get comparesFacts(): boolean {
    const { maxNewViolations, maxNewlyRefused, maxNewlyPending } = this.rule ?? {};
    return [maxNewViolations, maxNewlyRefused, maxNewlyPending].some((limit) => limit !== undefined);
  }

  /** Whether all that its gates compare is known. */
  knows(facts: Facts | null): facts is Facts {
    const { maxNewlyRefused, maxNewlyPending } = this.rule ?? {};
    const comparesRisks = maxNewlyRefused !== undefined || maxNewlyPending !== undefined;
    return facts !== null && !(comparesRisks && facts.refused === null);
  }

  isUnreachable({ awaySince }: RolloutCluster, now: number): boolean {
    return awaySince !== null && now - awaySince >= this.#unreachableMs;
  }

  /**
   * Whether a cluster leaves repeatedly: it left more than once, and never stayed for the whole
   * time to proof within the time that one absence and one proof may take together.
   */
  #isUnsteady({ absences }: Move, now: number): boolean {
    return absences?.isRepeated === true && now - absences.since >= this.#unreachableMs + this.proofMs;
  }

  /** Progress of a cluster that was moved to a commit. */
  #progressOf(cluster: RolloutCluster, move: Move, now: number): Progress {
    const { revision, at, unlooked } = move;
    if (unlooked === true || !cluster.isRegistered) return 'unlooked';
    if (cluster.proven === revision && (!this.comparesFacts || this.knows(cluster.facts))) return 'proven';
    if (this.isUnreachable(cluster, now)) return 'away';
    if (cluster.refused === revision) return 'refused';
    if (this.#isUnsteady(move, now)) return progressOfUnsteady(cluster, move);
    return this.#isExpected(cluster, move) && now - at >= this.proofMs ? 'late' : 'moving';
  }

  /**
   * Whether a cluster is expected to prove in time: it is there, and waits for no approval. If its
   * wave needs no approval, a cluster that waits for one becomes late, as nobody can give it.
   */
  #isExpected({ awaySince }: RolloutCluster, { away, held }: Move): boolean {
    return awaySince === null && away !== true && (held !== true || this.rule?.approval === undefined);
  }

  /** Updates the absences of a move: the cluster leaves, comes back, or has stayed. */
  #noteAbsence({ awaySince, wasSeenLeaving }: RolloutCluster, { away, absences, ...move }: Move, now: number): Move {
    const before = absences && { absences };
    if (awaySince !== null) {
      if (away === true || !wasSeenLeaving) return { ...move, ...before, away: true };
      return { ...move, away: true, absences: { since: absences?.since ?? now, isRepeated: absences !== undefined, back: null } };
    }
    if (away === true) return { ...move, ...(absences && { absences: { ...absences, back: now } }), at: now };
    return now - (absences?.back ?? now) < this.proofMs ? { ...move, ...before } : move;
  }

  /**
   * Follows a cluster that was moved. Its time to proof starts again when it comes back, gets its
   * approval, or no longer shows its proof, as after a restart of its agent or while that judges
   * risks again.
   */
  follow(cluster: RolloutCluster, { seen, held, ...before }: Move, now: number): MovedCluster {
    const noted = this.#noteAbsence(cluster, before, now);
    const isHeld = cluster.awaySince === null && cluster.held?.revision === noted.revision;
    const move: Move = isHeld ? { ...noted, held: true } : noted;
    const progress = this.#progressOf(cluster, move, now);
    if (progress === 'proven') return { cluster, move: { ...move, seen: true }, progress };
    if (isHeld || cluster.awaySince !== null || (seen !== true && held !== true)) return { cluster, move, progress };
    const again = { ...move, at: now };
    return { cluster, move: again, progress: this.#progressOf(cluster, again, now) };
  }

  /**
   * Whether the wave need not wait for a cluster any more. The last wave, of clusters in no wave,
   * has no gates and is done with refused and late clusters, too.
   */
  isDone(progress: Progress): boolean {
    if (this.rule === undefined) return progress !== 'moving';
    return progress === 'proven' || progress === 'away' || progress === 'unlooked';
  }
}

/** Clusters of a wave that were moved to the newest commit, with their progress now. */
export const followIn = (run: RolloutRun, wave: Wave, clusters: readonly RolloutCluster[], now: number): readonly MovedCluster[] =>
  clusters.flatMap((cluster) => {
    const move = moveOf(run, cluster.name);
    return move?.revision === run.revision ? [wave.follow(cluster, move, now)] : [];
  });

/** The waves of a run, in order, with the clusters of each. */
export const wavesOfRun = ({ base: { strategy } }: Pick<RolloutRun, 'base'>, clusters: RolloutInput['clusters']): readonly Wave[] =>
  wavesOf(strategy, clusters.values()).map((members, number) => new Wave(members, number, strategy));

/** Commit that a cluster gets by the progress of its wave. */
export const turnOf = (run: RolloutRun, { number }: Pick<Wave, 'number'>, cluster: string): string =>
  moveOf(run, cluster)?.revision ?? run.reached[number] ?? run.base.revision;

/**
 * Commit that a cluster of a wave is to have now. It is never older than what the cluster has: one
 * that joined again, or changed its wave, keeps its commit until its turn.
 */
export const targetOf = (run: RolloutRun, wave: Pick<Wave, 'number'>, { name, had }: RolloutCluster): string =>
  had.reduce((target, each) => laterOf(run, target, each), turnOf(run, wave, name));

/**
 * Members of a wave to which the commit of a run gives other policies than both the commit that the
 * wave has finished last and the base.
 */
export const changedIn = (
  { reached, base, revision }: RolloutRun,
  { number, members }: Wave,
  { clusters, digestOf }: Pick<RolloutInput, 'clusters' | 'digestOf'>,
): readonly RolloutCluster[] => {
  const finished = reached[number] ?? base.revision;
  return members.flatMap((name) => {
    const digest = digestOf(name, revision);
    // A commit that cannot be read may have changed something.
    const isSame = digest !== undefined && (digest === digestOf(name, finished) || digest === digestOf(name, base.revision));
    return isSame ? [] : (clusters.get(name) ?? []);
  });
};

/** Clusters that are to have an older commit until their turn, with their waves. */
export const heldBy = (
  run: RolloutRun | undefined,
  clusters: RolloutInput['clusters'],
  newest: string,
): ReadonlyMap<string, HeldCluster> => {
  if (run === undefined) return new Map();
  return new Map(
    wavesOfRun(run, clusters).flatMap((wave) =>
      wave.members.flatMap((name): [string, HeldCluster][] => {
        const cluster = clusters.get(name);
        const revision = cluster && targetOf(run, wave, cluster);
        return revision === undefined || revision === newest ? [] : [[name, { revision, wave: wave.name }]];
      }),
    ),
  );
};

/** Whether clusters are held at the same commits, by the same waves. */
export const areHeldEqually = (left: ReadonlyMap<string, HeldCluster>, right: ReadonlyMap<string, HeldCluster>): boolean =>
  left.size === right.size &&
  [...left].every(([name, { revision, wave }]) => {
    const other = right.get(name);
    return other !== undefined && other.revision === revision && other.wave === wave;
  });
