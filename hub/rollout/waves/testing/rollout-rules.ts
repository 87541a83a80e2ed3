import { isDeepStrictEqual } from 'node:util';
import type { RolloutStrategySpec, RolloutWave } from '@fso/shared/api';
import { durationMs } from '@fso/shared/rollout';
import { parseRun, type RolloutRun } from '../run.ts';
import { type RolloutWorld, type SimulatedCluster, ZONES } from './rollout-world.ts';

/** Longest time to proof of the strategies, in milliseconds. */
const LONGEST_PROOF_MS = 240_000;

/** A state of the world between two steps. */
export interface Moment {
  readonly run: RolloutRun | undefined;
  readonly targets: ReadonlyMap<string, string | null>;
}

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
  /** Commits for which someone has passed a gate. */
  readonly #waived = new Set<string>();
  /** Commits that agents have in force. */
  readonly #accepted: Map<string, string | null>;

  constructor(world: RolloutWorld) {
    this.#world = world;
    this.#accepted = new Map([...world.clusters.values()].map(({ name, accepted }) => [name, accepted]));
  }

  moment(): Moment {
    const { run, clusters } = this.#world;
    return { run, targets: new Map([...clusters.values()].map(({ name, target }) => [name, target])) };
  }

  noteResume(): void {
    this.#waived.add(this.#world.newest.revision);
  }

  /**
   * @param isStored whether the hub has stored what it saw in the step
   * @throws Error that names the rule that a step has broken
   */
  check(before: Moment, isStored = true): void {
    const { run } = this.#world;
    for (const cluster of this.#world.clusters.values()) {
      this.#checkApproval(cluster);
      this.#note(cluster, before, isStored);
    }
    if (isStored && this.#skipsWaves(before.run)) this.#checkAtOnce();
    else this.#checkTurns(before);
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

  #checkTurns(before: Moment): void {
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

  #noteAbsence(name: string, awaySince: number | null): void {
    const { now } = this.#world;
    const absence = this.#absences.get(name);
    if (awaySince !== null) this.#absences.set(name, { since: absence?.since ?? awaySince, back: null });
    else if (now - (absence?.back ?? now) >= LONGEST_PROOF_MS) this.#absences.delete(name);
    else if (absence !== undefined) absence.back ??= now;
  }

  /**
   * Whether no wave need wait for a cluster: it is away, has come and gone for long and does not
   * lack objects, or there is nothing to compare, as it was not known in time as it was before, or
   * enforces by an older commit what it gets.
   */
  #isExcused(cluster: SimulatedCluster, { unreachableAfter }: RolloutStrategySpec, rule: RolloutWave): boolean {
    const { name, awaySince, lacking } = cluster;
    const [unreachableMs, proofMs] = [durationMs(unreachableAfter ?? '5m'), durationMs(rule.proofWithin ?? '10m')];
    if (this.#passed(awaySince) >= unreachableMs) return true;
    if (lacking !== this.#world.newest.revision && this.#passed(this.#absences.get(name)?.since) >= unreachableMs + proofMs) return true;
    if (rule.maxNewViolations === undefined) return false;
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
    const { name, target, accepted } = cluster;
    const before = targets.get(name) ?? null;
    if (target !== null && this.#world.indexOf(target) < this.#world.indexOf(accepted))
      throw new Error(`${name}, which has ${accepted}, was sent back to ${target}`);
    if (before === target || before === null || target === null) return;
    if (this.#world.indexOf(target) < this.#world.indexOf(before)) throw new Error(`${name} went back from ${before} to ${target}`);
    const { newest, run: after } = this.#world;
    // One that changes its wave gets what its new wave has finished.
    if (after !== undefined && target === this.#reached(after, this.#waveOf(cluster, after))) return;
    if (target !== newest.revision) throw new Error(`${name} was moved to ${target}, which is not the newest`);
    if (run !== undefined) this.#checkTurn(cluster, run, target);
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

  #checkFinished(
    wave: number,
    { strategy, changed, was, is }: { strategy: RolloutStrategySpec; changed: readonly SimulatedCluster[]; was: string; is: string },
  ): void {
    const { now } = this.#world;
    const rule = strategy.waves[wave];
    if (rule === undefined || this.#waived.has(is)) return;
    const waits = changed.filter((cluster) => cluster.proven !== is && !this.#isExcused(cluster, strategy, rule));
    if (waits.length > 0) throw new Error(`wave ${rule.name} finished ${is} before ${waits[0]?.name} had proven it`);
    const proven = changed.filter((cluster) => cluster.proven === is);
    if (proven.length === 0) throw new Error(`wave ${rule.name} finished ${is} although nobody had proven it`);
    const since = Math.min(...proven.map(({ name }) => this.#provenAt.get(`${name} ${is}`) ?? now));
    if (now - since < durationMs(rule.soak ?? '0s')) throw new Error(`wave ${rule.name} did not soak`);
    if (rule.maxNewViolations === undefined) return;
    const known = proven.filter(({ awaySince }) => awaySince === null);
    const counted = known.filter(({ name }) => !this.#isAccepted(name, is));
    const found = counted.reduce(
      (sum, { name }) => sum + Math.max(0, this.#world.violationsAt(name, is) - this.#world.violationsAt(name, was)),
      0,
    );
    if (known.length === 0) throw new Error(`wave ${rule.name} finished ${is} although nothing was looked at`);
    if (found > rule.maxNewViolations) throw new Error(`wave ${rule.name} finished ${is} with ${found} new violations`);
  }
}

/** Strategies of the tests: `undefined` removes it. */
export const STRATEGIES: readonly (RolloutStrategySpec | undefined)[] = [
  undefined,
  strategyOf([{ zone: 'a', soak: '4m', proofWithin: '1m' }, { zone: 'b' }]),
  strategyOf([
    { zone: 'b', soak: '30s', maxNewViolations: 1 },
    { zone: 'a', maxConcurrency: 1 },
  ]),
  strategyOf([
    { zone: 'none', maxNewViolations: 0 },
    { zone: 'a', maxNewViolations: 0 },
    { zone: 'c', soak: '2m' },
  ]),
  strategyOf(ZONES.map((zone) => ({ zone, soak: '45s', maxNewViolations: 3 }))),
  strategyOf([
    { zone: 'a', soak: '30s' },
    { zone: 'b', approval: 'Required' },
    { zone: 'c', approval: 'Required', soak: '2m' },
  ]),
];

interface WaveInZone extends Pick<RolloutWave, 'soak' | 'proofWithin' | 'maxNewViolations' | 'maxConcurrency' | 'approval'> {
  readonly zone: string;
}

function strategyOf(waves: readonly WaveInZone[]): RolloutStrategySpec {
  return {
    unreachableAfter: '2m',
    waves: waves.map(({ zone, ...rule }) => ({ name: zone, clusterSelector: { matchLabels: { zone } }, proofWithin: '4m', ...rule })),
  };
}
