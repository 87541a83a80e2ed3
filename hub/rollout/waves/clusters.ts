import type { HeldRevision, RolloutStrategySpec } from '@fso/shared/api';
import { durationMs, type SelectedCluster, type WaveMembers, wavesOf } from '@fso/shared/rollout';
import type { TagVerdict } from '@fso/shared/trust';
import type { HeldCluster } from '../../ledger/index.ts';
import { type Facts, laterOf, type Move, moveOf, type RolloutRun } from './run.ts';

/** A cluster as the plan of a rollout sees it. null: there is no such commit or digest. */
export interface RolloutCluster extends SelectedCluster {
  /** Whether the newest commit registers it. If not, it leaves, and no wave waits for it. */
  readonly isRegistered: boolean;
  /** Digest of the policies that it enforces, by its agent. */
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
   * Commit of which its agent did not get all objects so far: it says nothing of the commit itself.
   */
  readonly lacking: string | null;
  /** Commit that its agent does not take yet, as it lacks an approval; null also where unknown. */
  readonly held: HeldRevision | null;
  /** Time since when it is not connected or not observed, ms since 1970; null: it is. */
  readonly awaySince: number | null;
  /** Whether the hub that plans has seen it leave: it was not away when that one began to watch. */
  readonly wasSeenLeaving: boolean;
  /** null: not known now. */
  readonly facts: Facts | null;
}

/** Tags about a commit, as the hub judges them. */
export interface JudgedTags extends TagVerdict {
  /** Signer of the commit; '': not known, and no tag counts. */
  readonly signer: string;
}

/** Approval of an unseen wave: one whose gates have looked at no cluster. */
export interface UnseenApproval extends JudgedTags {
  readonly wave: string;
  /** Reason why an operator passes the gate instead; null: the tags alone do. */
  readonly unneeded: string | null;
}

/** State of the fleet at one look, from which {@link planRun} decides who may move on. */
export interface RolloutInput {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly newest: {
    readonly revision: string;
    readonly strategy: RolloutStrategySpec | undefined;
    /** undefined: it does not ask to skip waves, or has them behind it. */
    readonly immediate?: JudgedTags | undefined;
    /** undefined: the run was not halted by an unseen wave when it was read. */
    readonly approval?: UnseenApproval | undefined;
  };
  /** Clusters that the newest commit or the base registers. */
  readonly clusters: ReadonlyMap<string, RolloutCluster>;
  /** Digest of what a cluster gets of a commit; undefined: the commit cannot be read. */
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
  /** Unproven after its time. */
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
 * Progress of a cluster that comes and goes. An agent that lacks objects does so to ask for them:
 * its wave must not go on without it, as for one that is away.
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

  /** Whether its gates compare facts, beside refusals and the time to proof. */
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
   * Whether a cluster comes and goes: it left again, and was not there for the whole time to proof
   * within what an absence and a proof may take together.
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
   * Whether a cluster could prove by now. Where its wave needs no approval, one that reports that
   * it lacks one is late in the end, as nobody can give it.
   */
  #isExpected({ awaySince }: RolloutCluster, { away, held }: Move): boolean {
    return awaySince === null && away !== true && (held !== true || this.rule?.approval === undefined);
  }

  /** Notes that a cluster leaves, comes back, or has stayed. */
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
   * Looks at a cluster that was moved. One that comes back, that got its approval, or that had
   * proven the commit and does not show it now, has the whole time again: its agent may have
   * restarted, or judge risks again.
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

  /** Whether the wave need not wait for a cluster any more. The last one waits for nobody. */
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

/** Commit that the turn of its wave gives a cluster. */
export const turnOf = (run: RolloutRun, { number }: Pick<Wave, 'number'>, cluster: string): string =>
  moveOf(run, cluster)?.revision ?? run.reached[number] ?? run.base.revision;

/**
 * Commit that a cluster of a wave is to have now. Never one before what it has: one that left and
 * joined again, or changed its wave, waits with that for its turn.
 */
export const targetOf = (run: RolloutRun, wave: Pick<Wave, 'number'>, { name, had }: RolloutCluster): string =>
  had.reduce((target, each) => laterOf(run, target, each), turnOf(run, wave, name));

/**
 * Members of a wave that get something else by the commit of a run than what it has finished, last
 * or with every other wave.
 */
export const changedIn = (
  { reached, base, revision }: RolloutRun,
  { number, members }: Wave,
  { clusters, digestOf }: Pick<RolloutInput, 'clusters' | 'digestOf'>,
): readonly RolloutCluster[] => {
  const finished = reached[number] ?? base.revision;
  return members.flatMap((name) => {
    const digest = digestOf(name, revision);
    // What cannot be read may have changed.
    const isSame = digest !== undefined && (digest === digestOf(name, finished) || digest === digestOf(name, base.revision));
    return isSame ? [] : (clusters.get(name) ?? []);
  });
};

/** Clusters that have another commit than the newest until their wave begins. */
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
