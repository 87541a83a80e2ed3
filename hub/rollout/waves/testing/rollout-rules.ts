import { isDeepStrictEqual } from 'node:util';
import type { RolloutStrategySpec, RolloutWave } from '@fso/shared/api';
import { durationMs } from '@fso/shared/rollout';
import { parseRun, type RolloutRun } from '../run.ts';
import type { Moment, RolloutWorld, SimulatedCluster } from './rollout-world.ts';

/** Longest time to proof of the strategies, in milliseconds. */
const LONGEST_PROOF_MS = 240_000;

/**
 * Rules of a rollout, written down a second time and without the code that plans. They know
 * strategies from the commits, never from the run.
 */
export class RolloutRules {
  readonly #world: RolloutWorld;
  /** Time at which a cluster was first seen to have proven a commit, by both. */
  readonly #provenAt = new Map<string, number>();
  /** Time at which the hub last saw a cluster away, proven, or without the newest commit. */
  readonly #fineAt = new Map<string, number>();
  /** Times of the first absence since a cluster was last there for long, and of its return. */
  readonly #absences = new Map<string, { readonly since: number; back: number | null }>();
  /** Times since when clusters have proven nothing. */
  readonly #unprovenSince = new Map<string, number>();
  /** Commits for which someone has passed a gate that had found something. */
  readonly #waived = new Set<string>();
  /** Unseen waves that were let go on, as `<commit> <wave>`. */
  readonly #unseen = new Set<string>();
  /** Commits that agents have in force. */
  readonly #accepted: Map<string, string | null>;
  /** The last commits of clusters that were no newer than what their waves had finished. */
  readonly #comparable = new Map<string, string>();
  /** The last commits that came while clusters had one in between, or were away, by name. */
  readonly #between = new Map<string, string>();

  constructor(world: RolloutWorld) {
    this.#world = world;
    this.#accepted = new Map([...world.clusters.values()].map(({ name, accepted }) => [name, accepted]));
  }

  /** Checks what a resume has passed. @throws Error that names the rule that it has broken */
  checkResume({ run }: Moment): void {
    const wave = this.#unseenWave(run);
    if (run?.paused !== null || run.halt === null) return;
    if (wave === undefined) this.#waived.add(this.#world.newest.revision);
    else if (this.#world.run?.halt === null) this.#passUnseen(run, wave, this.#strategyOf(run).approvers === undefined);
  }

  /** Unseen wave by which a run is halted. */
  #unseenWave(run: RolloutRun | undefined): string | undefined {
    return run?.halt?.gate === 'NothingLookedAt' ? run.halt.wave : undefined;
  }

  /** Notes that an unseen wave goes on: by approval, without approvers, or as it is seen by now. */
  #passUnseen(run: RolloutRun, wave: string, isFree: boolean): void {
    const { revision } = run;
    const isIn = (cluster: SimulatedCluster): boolean => this.#strategyOf(run).waves[this.#waveOf(cluster, run)]?.name === wave;
    if (isFree || this.#world.isTagged(revision, wave)) this.#unseen.add(`${revision} ${wave}`);
    else if (![...this.#world.clusters.values()].some((cluster) => cluster.proven === revision && isIn(cluster)))
      throw new Error(`wave ${wave} goes on with ${revision}, which nobody has approved`);
  }

  /** Checks that an unseen wave goes on by its approval, and by nothing else. */
  #checkUnseen({ run: before }: Moment): void {
    const { run, newest } = this.#world;
    const wave = this.#unseenWave(before);
    if (before === undefined || wave === undefined || newest.revision !== before.revision) return;
    const { revision, paused } = before;
    const isApproved = paused === null && this.#strategyOf(before).approvers !== undefined && this.#world.isTagged(revision, wave);
    const isPassed = this.#unseenWave(run) !== wave;
    if (isPassed !== isApproved)
      throw new Error(`wave ${wave} ${isPassed ? 'goes on' : 'waits'} with ${revision}, approved: ${isApproved}`);
    if (isPassed) this.#unseen.add(`${revision} ${wave}`);
  }

  /**
   * @param isStored whether the hub has stored what it saw in the step
   * @throws Error that names the rule that a step has broken
   */
  check(before: Moment, isStored = true): void {
    const { run } = this.#world;
    for (const cluster of this.#world.clusters.values()) {
      this.#noteComparable(cluster, before.run ?? run);
      this.#checkApproval(cluster);
      this.#note(cluster, before, isStored);
    }
    if (isStored && this.#skipsWaves(before.run)) this.#checkAtOnce();
    else this.#checkTurns(before, isStored);
    if (!isDeepStrictEqual(run, parseRun(run && JSON.parse(JSON.stringify(run))))) throw new Error('the run cannot be stored');
    if (run?.halt?.gate === 'ProofTime' && before.run?.halt === null) this.#checkLate(run, run.halt.clusters);
  }

  /** Checks that an agent took what its commit before wanted approved only with the approval. */
  #checkApproval({ name, accepted }: SimulatedCluster): void {
    const before = this.#accepted.get(name) ?? null;
    this.#accepted.set(name, accepted);
    const wave = accepted === null || before === accepted ? undefined : this.#world.approvalOf(name, before, accepted);
    if (accepted !== null && wave !== undefined && !this.#world.isApproved(accepted, wave))
      throw new Error(`${name} took ${accepted}, which is not approved for ${wave}`);
  }

  #checkTurns(before: Moment, isStored: boolean): void {
    if (isStored) this.#checkUnseen(before);
    if (before.run !== undefined) this.#checkWaves(before.run, this.#world.run);
    for (const cluster of this.#world.clusters.values()) this.#checkTarget(cluster, before);
  }

  /** Whether the newest commit goes to every cluster at once. */
  #skipsWaves(run: RolloutRun | undefined): boolean {
    const { revision, immediate } = this.#world.newest;
    return run !== undefined && run.base.revision !== revision && run.paused === null && immediate?.isGiven === true;
  }

  #checkAtOnce(): void {
    const { clusters, newest, run } = this.#world;
    const left = [...clusters.values()].find(({ target }) => target !== newest.revision);
    if (left !== undefined) throw new Error(`${left.name} did not get ${newest.revision} at once`);
    if (run !== undefined && run.base.revision !== newest.revision) throw new Error(`${newest.revision} did not go at once`);
  }

  #note(cluster: SimulatedCluster, { targets }: Moment, isStored: boolean): void {
    const { name, proven, awaySince } = cluster;
    const { now, newest } = this.#world;
    if (proven !== null && !this.#provenAt.has(`${name} ${proven}`)) this.#provenAt.set(`${name} ${proven}`, now);
    // A hub that started has not decided yet what a cluster is to have.
    const isGiven = (targets.get(name) ?? newest.revision) === newest.revision;
    const isFine = awaySince !== null || proven === newest.revision || !isGiven || this.#waits(cluster);
    if (isStored && isFine) this.#fineAt.set(name, now);
    if (isStored) this.#noteAbsence(name, awaySince);
    if (proven !== null) this.#unprovenSince.delete(name);
    else if (isStored && !this.#unprovenSince.has(name)) this.#unprovenSince.set(name, now);
  }

  #noteComparable({ name, accepted, awaySince }: SimulatedCluster, run: RolloutRun | undefined): void {
    if (run === undefined || accepted === null) return;
    const finished = this.#reached(run, this.#waveOf({ name }, run));
    if (this.#world.indexOf(accepted) <= this.#world.indexOf(finished)) this.#comparable.set(name, accepted);
    const { revision } = this.#world.newest;
    if (this.#passed(awaySince) >= 120_000 || ![this.#comparable.get(name), revision].includes(accepted)) this.#between.set(name, revision);
  }

  #noteAbsence(name: string, awaySince: number | null): void {
    const { now } = this.#world;
    const absence = this.#absences.get(name);
    if (awaySince !== null) this.#absences.set(name, { since: absence?.since ?? awaySince, back: null });
    else if (now - (absence?.back ?? now) >= LONGEST_PROOF_MS) this.#absences.delete(name);
    else if (absence !== undefined) absence.back ??= now;
  }

  /**
   * Whether no wave need wait for a cluster: it is away, has come and gone for long and does not
   * lack objects, enforces by an older commit what it gets and someone has passed, or there is
   * nothing to compare, as it was not known in time as it was before, or had a commit in between.
   */
  #isExcused(cluster: SimulatedCluster, { unreachableAfter }: RolloutStrategySpec, rule: RolloutWave): boolean {
    const { name, awaySince, lacking } = cluster;
    const [unreachableMs, proofMs] = [durationMs(unreachableAfter ?? '5m'), durationMs(rule.proofWithin ?? '10m')];
    if (this.#passed(awaySince) >= unreachableMs) return true;
    if (lacking !== this.#world.newest.revision && this.#passed(this.#absences.get(name)?.since) >= unreachableMs + proofMs) return true;
    if (rule.maxNewViolations === undefined) return this.#enforcesBefore(cluster) && this.#isAccepted(name, this.#world.newest.revision);
    if (this.#between.get(name) === this.#world.newest.revision) return true;
    return this.#passed(this.#unprovenSince.get(name)) >= proofMs || this.#enforcesBefore(cluster);
  }

  #enforcesBefore({ name, accepted }: SimulatedCluster): boolean {
    const { revision } = this.#world.newest;
    return accepted !== null && accepted !== revision && this.#world.digestOf(name, accepted) === this.#world.digestOf(name, revision);
  }

  /** Milliseconds since a time; 0 where there is none. */
  #passed(since: number | null | undefined): number {
    return this.#world.now - (since ?? this.#world.now);
  }

  #checkLate(run: RolloutRun, clusters: readonly string[]): void {
    const { now } = this.#world;
    const { waves, unreachableAfter } = this.#strategyOf(run);
    for (const name of clusters) {
      const proofMs = durationMs(waves[this.#waveOf({ name }, run)]?.proofWithin ?? '0s');
      const since = this.#fineAt.get(name) ?? 0;
      const isLacking = this.#world.clusters.get(name)?.lacking === run.revision;
      const mayComeAndGo = !isLacking || this.#passed(this.#absences.get(name)?.since) < durationMs(unreachableAfter ?? '5m') + proofMs;
      if (now - since < proofMs && mayComeAndGo) throw new Error(`${name} was taken for late ${now - since} ms after it was fine`);
    }
  }

  #strategyOf(run: RolloutRun): RolloutStrategySpec {
    const commit = this.#world.commits[this.#world.indexOf(run.base.revision)];
    if (commit?.strategy === undefined) throw new Error('a run without a strategy');
    return commit.strategy;
  }

  #waveOf({ name }: Pick<SimulatedCluster, 'name'>, run: RolloutRun): number {
    const { waves } = this.#strategyOf(run);
    const zone = this.#world.labelOf(name, run);
    const at = waves.findIndex(({ clusterSelector }) => clusterSelector.matchLabels?.['zone'] === zone);
    return at < 0 ? waves.length : at;
  }

  /** Whether a cluster waits for an approval that its wave needs. */
  #waits({ name, held }: SimulatedCluster): boolean {
    const { run, newest } = this.#world;
    if (run === undefined || held !== newest.revision) return false;
    return this.#strategyOf(run).waves[this.#waveOf({ name }, run)]?.approval !== undefined;
  }

  #reached({ base, reached }: RolloutRun, wave: number): string {
    return reached[wave] ?? base.revision;
  }

  #checkTarget(cluster: SimulatedCluster, { run, targets }: Moment): void {
    const { target } = cluster;
    const before = targets.get(cluster.name) ?? null;
    this.#checkBack(cluster, before);
    if (before === null || target === null || [before, cluster.accepted].includes(target)) return;
    const { newest, run: after } = this.#world;
    if (after !== undefined && target === this.#reached(after, this.#waveOf(cluster, after))) return;
    if (target !== newest.revision) throw new Error(`${cluster.name} was moved to ${target}, which is not the newest`);
    if (run !== undefined) this.#checkTurn(cluster, run, target);
  }

  /** Checks that a cluster is not sent back. What it has refused it does not have. */
  #checkBack({ name, target, accepted, refused }: SimulatedCluster, before: string | null): void {
    if (target === null) return;
    const newer = [accepted, before === refused ? null : before].find((each) => this.#world.indexOf(target) < this.#world.indexOf(each));
    if (newer !== undefined) throw new Error(`${name}, which has ${newer}, was sent back to ${target}`);
  }

  /** Checks that what is new to a cluster comes in the turn of its wave. */
  #checkTurn(cluster: SimulatedCluster, run: RolloutRun, target: string): void {
    if (!this.#isNew(cluster, run, target)) return;
    if (run.paused !== null) throw new Error(`${cluster.name} was moved during a pause`);
    const wave = this.#waveOf(cluster, run);
    const before = [...this.#world.clusters.values()].filter(
      (other) => this.#waveOf(other, run) < wave && this.#world.newest.registered.has(other.name) && other.target !== target,
    );
    const skipped = before.find((other) => this.#isNew(other, run, target));
    if (skipped !== undefined) throw new Error(`${cluster.name} was moved to ${target} before ${skipped.name}`);
  }

  /** Whether a commit brings a cluster what its wave has not finished and it does not enforce. */
  #isNew(cluster: SimulatedCluster, run: RolloutRun, revision: string): boolean {
    const { name, accepted } = cluster;
    const digest = this.#world.digestOf(name, revision);
    const finished = this.#reached(run, this.#waveOf(cluster, run));
    const known = [finished, run.base.revision, accepted].flatMap((each) => (each === null ? [] : this.#world.digestOf(name, each)));
    return !known.includes(digest);
  }

  #checkWaves(before: RolloutRun, after: RolloutRun | undefined): void {
    const { newest } = this.#world;
    const strategy = this.#strategyOf(before);
    const isFinished = after === undefined || after.base.revision !== before.base.revision;
    for (let wave = 0; wave < strategy.waves.length; wave += 1) {
      const was = this.#reached(before, wave);
      const is = isFinished ? newest.revision : this.#reached(after, wave);
      if (was === is) continue;
      const changed = [...this.#world.clusters.values()].filter(
        (cluster) =>
          this.#waveOf(cluster, before) === wave &&
          newest.registered.has(cluster.name) &&
          ![was, before.base.revision].some((each) => this.#world.digestOf(cluster.name, is) === this.#world.digestOf(cluster.name, each)),
      );
      if (changed.length > 0) this.#checkFinished(wave, { strategy, changed, was, is });
    }
  }

  /** Whether someone has passed a gate for what a cluster gets of a commit, in this or another. */
  #isAccepted(name: string, revision: string): boolean {
    return [...this.#waived].some((each) => this.#world.digestOf(name, each) === this.#world.digestOf(name, revision));
  }

  /** Whether someone has let a wave finish a commit, whatever its clusters are like. */
  #isPassed({ name }: RolloutWave, revision: string, proven: number): boolean {
    if (this.#unseen.has(`${revision} ${name}`)) return true;
    if (proven === 0) throw new Error(`wave ${name} finished ${revision} although nobody had proven it`);
    return this.#waived.has(revision);
  }

  #checkFinished(
    wave: number,
    { strategy, changed, was, is }: { strategy: RolloutStrategySpec; changed: readonly SimulatedCluster[]; was: string; is: string },
  ): void {
    const { now } = this.#world;
    const rule = strategy.waves[wave];
    if (rule === undefined) return;
    const proven = changed.filter((cluster) => cluster.proven === is);
    if (this.#isPassed(rule, is, proven.length)) return;
    const waits = changed.filter((cluster) => cluster.proven !== is && !this.#isExcused(cluster, strategy, rule));
    if (waits.length > 0) throw new Error(`wave ${rule.name} finished ${is} before ${waits[0]?.name} had proven it`);
    const since = Math.min(...proven.map(({ name }) => this.#provenAt.get(`${name} ${is}`) ?? now));
    if (now - since < durationMs(rule.soak ?? '0s')) throw new Error(`wave ${rule.name} did not soak`);
    if (rule.maxNewViolations === undefined) return;
    const known = proven.filter(({ awaySince }) => awaySince === null);
    const counted = known.filter(({ name }) => !this.#isAccepted(name, is));
    const before = (name: string): number => this.#world.violationsAt(name, this.#comparable.get(name) ?? was);
    const found = counted.reduce((sum, { name }) => sum + Math.max(0, this.#world.violationsAt(name, is) - before(name)), 0);
    if (known.length === 0) throw new Error(`wave ${rule.name} finished ${is} although nothing was looked at`);
    if (found > rule.maxNewViolations) throw new Error(`wave ${rule.name} finished ${is} with ${found} new violations`);
  }
}
