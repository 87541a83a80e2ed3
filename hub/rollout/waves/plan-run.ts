import { givenApproval, immediateOf } from './approvals.ts';
import { changedIn, type MovedCluster, type RolloutCluster, type RolloutInput, turnOf, type Wave, wavesOfRun } from './clusters.ts';
import { failedGate, unseenGate } from './gates.ts';
import { passUnseen } from './resume-run.ts';
import { isEqualMove, laterOf, MAX_SUPERSEDED, type Move, moveOf, type RolloutRun } from './run.ts';

/** Plans the next state of a run. Its parts are protected so that tests can plant bugs in them. */
export class RunPlan {
  protected readonly input: RolloutInput;
  protected run: RolloutRun;
  protected readonly waves: readonly Wave[];
  /** Results of {@link changedIn}, by the wave and the commits that it compares. */
  readonly #changed = new Map<string, readonly RolloutCluster[]>();
  /** Last results of {@link Wave.follow}, by cluster. */
  readonly #followed = new Map<string, MovedCluster>();

  constructor(before: RolloutRun, input: RolloutInput) {
    this.input = input;
    this.run = { ...before, reached: [...before.reached], moves: { ...before.moves } };
    this.waves = wavesOfRun(before, input.clusters);
  }

  /**
   * @returns the run after all that can happen now; undefined if no strategy is in force any more
   */
  execute(): RolloutRun | undefined {
    this.supersede();
    const immediate = immediateOf(this.run, this.input);
    if (immediate !== undefined) return this.finishAtOnce(immediate);
    if (givenApproval(this.run, this.input) !== undefined) this.run = passUnseen(this.run, this.input.now);
    this.skipUnchanged();
    this.moveUnchanged();
    for (;;) {
      const wave = this.waves.find(({ number }) => this.run.reached[number] !== this.run.revision);
      if (wave === undefined) return this.finishRun();
      if (!this.work(wave)) return this.run;
    }
  }

  /** Begins again with the first wave if there is a newer commit. */
  protected supersede(): void {
    const { now, newest } = this.input;
    if (this.run.revision === newest.revision) return;
    // Drops the moves of clusters that are gone: they must not accumulate over commits.
    const moves = Object.fromEntries(Object.entries(this.run.moves).filter(([name]) => this.input.clusters.has(name)));
    const { immediate: _past, ...run } = this.run;
    const { revision, base } = run;
    const superseded = revision === base.revision ? [] : [...this.run.superseded, revision].slice(-MAX_SUPERSEDED);
    this.run = { ...run, revision: newest.revision, since: now, superseded, moves, wave: null, halt: null };
  }

  protected changedIn(wave: Wave): readonly RolloutCluster[] {
    const { reached, base, revision } = this.run;
    const key = [wave.number, reached[wave.number], base.revision, revision].join(' ');
    const changed = this.#changed.get(key) ?? changedIn(this.run, wave, this.input);
    this.#changed.set(key, changed);
    return changed;
  }

  /** Finishes every wave in which the commit changes nothing, also before the waves ahead of it. */
  protected skipUnchanged(): void {
    for (const wave of this.waves)
      if (this.run.reached[wave.number] === this.run.revision || this.changedIn(wave).length === 0) this.finishWave(wave);
  }

  /**
   * Moves clusters at once if the commit gives them what they enforce already, or what their wave
   * has finished.
   */
  protected moveUnchanged(): void {
    const { revision, moves } = this.run;
    for (const wave of this.waves) {
      if (this.run.reached[wave.number] === revision) continue;
      const changed = new Set(this.changedIn(wave));
      const due = wave.members.flatMap((name) => this.input.clusters.get(name) ?? []);
      for (const cluster of due.filter(({ name }) => turnOf(this.run, wave, name) !== revision)) {
        const move = this.moveAtOnce(wave, cluster, changed.has(cluster));
        if (move !== undefined) moves[cluster.name] = move;
      }
    }
  }

  protected moveAtOnce(wave: Wave, cluster: RolloutCluster, isChanged: boolean): Move | undefined {
    if (!isChanged) return { revision: this.run.revision, at: this.input.now };
    return this.isEnforced(cluster) ? this.moveOn(wave, cluster.name, moveOf(this.run, cluster.name)) : undefined;
  }

  protected isEnforced({ name, enforced }: RolloutCluster): boolean {
    return enforced !== null && enforced === this.input.digestOf(name, this.run.revision);
  }

  /**
   * Moves a cluster to a commit that changes nothing for it while its wave is at work on an earlier
   * one. The facts to compare with stay, and the time to proof starts again. A person's pass of a
   * gate stays only if both commits give the cluster the same policies.
   */
  protected moveOn(wave: Wave, name: string, before: Move | undefined): Move {
    const { revision } = this.run;
    const { unlooked, ...kept }: Partial<Move> = before ?? {};
    const isSame = before !== undefined && this.input.digestOf(name, before.revision) === this.input.digestOf(name, revision);
    const isLeftOut = isSame ? unlooked === true : wave.comparesFacts && kept.before === undefined;
    return { ...kept, revision, at: this.input.now, ...(isLeftOut && { unlooked: true }) };
  }

  /** Works on a wave. @returns whether it has finished the commit */
  protected work(wave: Wave): boolean {
    if (this.run.halt !== null) return false;
    if (this.run.wave === null && this.run.paused === null) this.begin(wave);
    const failed = failedGate(wave, this.movedIn(wave));
    if (failed !== undefined) return this.halt(wave, failed);
    if (this.run.paused !== null || this.run.wave === null) return false;
    this.release(wave, this.run.wave.since);
    return this.soak(wave, this.run.wave);
  }

  /** Begins a wave. The time to proof starts again for clusters that have the commit already. */
  protected begin({ members }: Wave): void {
    const { now } = this.input;
    this.run = { ...this.run, wave: { since: now, soakSince: null, waived: false } };
    for (const name of members) {
      const move = moveOf(this.run, name);
      if (move?.revision === this.run.revision) this.run.moves[name] = { ...move, at: now };
    }
  }

  protected halt(wave: Wave, failure: Omit<NonNullable<RolloutRun['halt']>, 'wave' | 'since'>): false {
    this.run = { ...this.run, halt: { ...failure, wave: wave.name, since: this.input.now } };
    return false;
  }

  /** Returns the clusters of the wave that were moved to the commit, and updates their moves. */
  protected movedIn(wave: Wave): readonly MovedCluster[] {
    const { moves, revision } = this.run;
    return this.changedIn(wave).flatMap((cluster) => {
      const before = moveOf(this.run, cluster.name);
      if (before?.revision !== revision) return [];
      const moved = this.#follow(wave, cluster, before);
      moves[cluster.name] = moved.move;
      return [moved];
    });
  }

  /** Follows a cluster that was moved. The result is cached until its move changes. */
  #follow(wave: Wave, cluster: RolloutCluster, before: Move): MovedCluster {
    const known = this.#followed.get(cluster.name);
    if (known?.move === before) return known;
    const followed = wave.follow(cluster, before, this.input.now);
    const moved = isEqualMove(followed.move, before) ? { ...followed, move: before } : followed;
    this.#followed.set(cluster.name, moved);
    return moved;
  }

  /** Moves the next clusters of the wave, up to its concurrency. */
  protected release(wave: Wave, since: number): void {
    const { moves, revision } = this.run;
    const underWay = this.movedIn(wave).filter(({ progress }) => progress === 'moving').length;
    let free = (wave.rule?.maxConcurrency ?? Number.POSITIVE_INFINITY) - underWay;
    for (const cluster of this.changedIn(wave)) {
      const move = moveOf(this.run, cluster.name)?.revision === revision ? undefined : this.firstMove(wave, cluster, since);
      if (move === undefined || (occupies(move) && free <= 0)) continue;
      moves[cluster.name] = move;
      if (occupies(move)) free -= 1;
    }
  }

  /**
   * Makes the first move of a cluster. Gates need its facts from before; if these do not become
   * known in time, the cluster is moved and left out by the gates.
   *
   * @returns undefined if the cluster cannot be moved yet
   */
  protected firstMove(wave: Wave, cluster: RolloutCluster, since: number): Move | undefined {
    const { now } = this.input;
    const { name, facts, isRegistered } = cluster;
    const [isAway, isOverdue] = [wave.isUnreachable(cluster, now), now - since >= wave.proofMs];
    const move: Move = { revision: this.run.revision, at: now, ...(isAway && { away: true }) };
    if (!isRegistered) return { ...move, unlooked: true };
    if (!wave.comparesFacts) return move;
    const before = moveOf(this.run, name)?.before ?? (this.isComparable(wave, cluster, isOverdue) ? facts : null);
    if (wave.knows(before)) return { ...move, before };
    return isAway || isOverdue ? { ...move, unlooked: true } : undefined;
  }

  /**
   * Whether the current facts of a cluster are those that gates compare with: it has proven what
   * its wave has finished, and no commit in between. A cluster that refused that commit, or did not
   * take it in time, is compared with an older one.
   */
  protected isComparable({ number }: Wave, { name, enforced, proven, accepted, refused }: RolloutCluster, isOverdue: boolean): boolean {
    const { reached, base } = this.run;
    const finished = reached[number] ?? base.revision;
    if (proven === null || proven !== accepted) return false;
    if (proven === finished || (enforced !== null && enforced === this.input.digestOf(name, finished))) return true;
    return (isOverdue || refused === finished) && laterOf(this.run, finished, proven) === finished;
  }

  /** Soaks a wave once all its clusters are done. @returns whether the wave has finished */
  protected soak(wave: Wave, { soakSince, ...state }: NonNullable<RolloutRun['wave']>): boolean {
    const { now } = this.input;
    const moved = this.movedIn(wave);
    const isDone = moved.length === this.changedIn(wave).length && moved.every(({ progress }) => wave.isDone(progress));
    if (!isDone) return false;
    const unseen = state.waived ? undefined : unseenGate(wave, moved);
    if (unseen !== undefined) return this.halt(wave, unseen);
    const since = soakSince ?? now;
    if (now - since < wave.soakMs) {
      this.run = { ...this.run, wave: { ...state, soakSince: since } };
      return false;
    }
    this.finishWave(wave);
    this.run = { ...this.run, wave: null };
    return true;
  }

  protected finishWave({ number, members }: Wave): void {
    this.run.reached[number] = this.run.revision;
    for (const name of members) delete this.run.moves[name];
  }

  /** Gives every wave the commit, without soak and gates. */
  protected finishAtOnce(immediate: NonNullable<RolloutRun['immediate']>): RolloutRun | undefined {
    const finished = this.finishRun();
    return finished && { ...finished, halt: null, immediate };
  }

  protected finishRun(): RolloutRun | undefined {
    const { revision, strategy } = this.input.newest;
    if (this.run.base.revision === revision) return this.run;
    if (strategy === undefined) return undefined;
    const ended = { superseded: [], reached: reachedOf(strategy, revision), moves: {}, wave: null };
    return { ...this.run, base: { revision, strategy }, ...ended };
  }
}

const reachedOf = ({ waves }: RolloutRun['base']['strategy'], revision: string): string[] => [...waves.map(() => revision), revision];

/** Whether a cluster counts towards the concurrency of its wave. */
const occupies = ({ unlooked, away }: Move): boolean => unlooked !== true && away !== true;

const beginRun = ({ now, newest: { revision, strategy } }: RolloutInput): RolloutRun | undefined =>
  strategy && {
    sequence: 0,
    base: { revision, strategy },
    revision,
    since: now,
    superseded: [],
    reached: reachedOf(strategy, revision),
    moves: {},
    wave: null,
    halt: null,
    paused: null,
  };

/**
 * Plans the next state of a rollout from the previous one and the current clusters. Pure: time is a
 * value, and planning again from the result changes nothing.
 *
 * Without a run, every cluster has the newest commit. A first strategy is in force from the commit
 * after the one that brings it.
 *
 * @returns undefined if no strategy is in force
 */
export const planRun = (before: RolloutRun | undefined, input: RolloutInput, Plan = RunPlan): RolloutRun | undefined =>
  before === undefined ? beginRun(input) : new Plan(before, input).execute();
