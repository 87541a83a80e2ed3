import type { RolloutCluster, RolloutInput, UnseenApproval } from '../clusters.ts';
import { heldBy } from '../clusters.ts';
import { planRun, type RunPlan } from '../plan-run.ts';
import { RolloutChangeRefused, resumeRun } from '../resume-run.ts';
import type { RolloutRun } from '../run.ts';
import { type Commit, NO_COMMIT, REFUSED, REVOKED, TAGGED, UNTAGGED, VIOLATED, ZONES, type Zone } from './commits.ts';

/** Cluster of the model, with what the hub has given it. */
export interface SimulatedCluster {
  readonly name: string;
  /** Decides what it gets of a commit; a commit may label it otherwise. */
  readonly zone: Zone;
  awaySince: number | null;
  accepted: string | null;
  proven: string | null;
  refused: string | null;
  /** Commit of which its agent did not get all objects. */
  lacking: string | null;
  /** Commit that its agent does not take, as it lacks an approval. */
  held: string | null;
  /** Commit that the hub has it have; null: it has not decided since it started. */
  target: string | null;
  /** Commit of its last offer that the ledger has. */
  offered: string | null;
  /** Newest commit that its agent has verified, whose policies may wait. */
  verified: string | null;
}

/** Faults of a hub or of agents that are tested. */
export interface Faults {
  readonly Plan?: typeof RunPlan;
  /** Targets are given out before the run is stored. */
  readonly losesWrites?: boolean;
  /** Agents take approvals that were taken back. */
  readonly takesRevoked?: boolean;
  /** A cluster has what the turn of its wave gives it, whatever it had before. */
  readonly sendsBack?: boolean;
  /** Agents trust a key until a commit without it is in force. */
  readonly signersWait?: boolean;
  /** Operators let unseen waves go on in the place of approvers. */
  readonly resumesUnseen?: boolean;
}

/** A state of the world between two steps. */
export interface Moment {
  readonly run: RolloutRun | undefined;
  readonly targets: ReadonlyMap<string, string | null>;
}

/** A hub, its agents and its repository, on virtual time: around the real plan. */
export class RolloutWorld {
  now = 0;
  readonly commits: Commit[] = [];
  readonly clusters = new Map<string, SimulatedCluster>();
  run: RolloutRun | undefined;
  /** Clusters that come and go, without a proof. */
  readonly flapping = new Set<string>();
  /** Clusters whose agents get no objects. */
  readonly starved = new Set<string>();
  /** Clusters whose agents refuse every commit. */
  readonly refusing = new Set<string>();
  /** Signed tags as `<revision> <wave>`: approvals, and those that take approvals back. */
  readonly #approved = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #faults: Faults;
  #watchingSince = -1;

  constructor(faults: Faults = {}) {
    this.#faults = faults;
  }

  get newest(): Commit {
    const commit = this.commits.at(-1);
    if (commit === undefined) throw new Error('no commit');
    return commit;
  }

  /** Place of a commit in the order in which the hub saw them; -1: none. */
  indexOf(revision: string | null): number {
    return this.commits.findIndex((commit) => commit.revision === revision);
  }

  digestOf(name: string, revision: string): string | undefined {
    const commit = this.commits[this.indexOf(revision)];
    const zone = this.clusters.get(name)?.zone;
    if (commit === undefined || zone === undefined) return undefined;
    return commit.registered.has(name) ? `${zone}${commit.contents[zone]}` : 'nothing';
  }

  violationsAt(name: string, revision: string | null): number {
    return revision !== null && this.digestOf(name, revision)?.endsWith(String(VIOLATED)) === true ? 2 : 0;
  }

  commit(change: Partial<Omit<Commit, 'revision'>>): void {
    const before = this.commits.at(-1) ?? NO_COMMIT;
    this.commits.push({ ...before, isStolen: false, immediate: undefined, ...change, revision: `r${this.commits.length}` });
  }

  /** Someone tags the newest commit as approved for a wave. */
  approve(wave: string): void {
    this.#approved.add(`${this.newest.revision} ${wave}`);
  }

  /** A signer takes approvals of the newest commit for a wave back, and that it skips waves. */
  revoke(wave: string): void {
    this.#revoked.add(`${this.newest.revision} ${wave}`);
    if (this.newest.immediate !== undefined) this.newest.immediate = REVOKED;
  }

  /** Someone tags the newest commit, which asks to skip waves. */
  tagImmediate(): void {
    this.newest.immediate = this.isRevoked(this.newest.revision) ? REVOKED : TAGGED;
  }

  isRevoked(revision: string, waves: readonly string[] = ZONES): boolean {
    return waves.some((wave) => this.#revoked.has(`${revision} ${wave}`));
  }

  /**
   * Name of the wave for which a step from one commit to another needs an approval, by the strategy
   * and the label of the first. undefined: it needs none
   */
  approvalOf(name: string, from: string | null, to: string): string | undefined {
    const [wave, next] = [from, to].map((revision) => {
      const commit = this.commits[this.indexOf(revision)];
      const zone = commit?.registered.get(name);
      return commit?.strategy?.waves.find(({ clusterSelector }) => clusterSelector.matchLabels?.['zone'] === zone);
    });
    if (wave?.approval === undefined || from === null) return undefined;
    const isUnchanged = this.digestOf(name, from) === this.digestOf(name, to) && next?.approval !== undefined && next.name === wave.name;
    return isUnchanged ? undefined : wave.name;
  }

  /** Whether the tags of a commit approve it for a wave. */
  isTagged(revision: string, wave: string): boolean {
    return this.#approved.has(`${revision} ${wave}`) && !this.isRevoked(revision, [wave]);
  }

  /** Whether its tags approve a commit for a wave, or let it skip waves. */
  isApproved(revision: string, wave: string): boolean {
    return this.isTagged(revision, wave) || this.commits[this.indexOf(revision)]?.immediate?.isGiven === true;
  }

  /**
   * Ends a pause, or passes the gate that has failed, for an operator.
   *
   * @returns why that is refused; undefined: it is done
   */
  resume(): string | undefined {
    if (this.run === undefined) return undefined;
    const { newest, ...input } = this.input();
    const approval = this.#faults.resumesUnseen && newest.approval ? { ...newest.approval, unneeded: '' } : newest.approval;
    try {
      this.run = resumeRun(this.run, { ...input, newest: { ...newest, approval } });
      return undefined;
    } catch (error) {
      if (error instanceof RolloutChangeRefused) return error.message;
      throw error;
    }
  }

  /** Tags that approve the unseen wave by which the run is halted. */
  #approvalOfHalt(base: Commit | undefined): UnseenApproval | undefined {
    const { run, newest } = this;
    if (run?.halt?.gate !== 'NothingLookedAt' || run.revision !== newest.revision) return undefined;
    const { wave } = run.halt;
    const tags = this.isRevoked(newest.revision, [wave]) ? REVOKED : UNTAGGED;
    const unneeded = base?.strategy?.approvers === undefined ? 'no approvers' : null;
    return { ...(this.isTagged(newest.revision, wave) ? TAGGED : tags), wave, unneeded };
  }

  #isHeld({ name, accepted }: SimulatedCluster, target: string): boolean {
    const wave = this.approvalOf(name, accepted, target);
    if (wave === undefined || this.isApproved(target, wave)) return false;
    return !(this.#faults.takesRevoked === true && this.#approved.has(`${target} ${wave}`));
  }

  /** An agent takes one step: it answers an offer, or proves what it has accepted. */
  work(cluster: SimulatedCluster): void {
    const { target } = cluster;
    if (cluster.awaySince !== null || target === null) return;
    cluster.offered = target;
    // Also while it does not take another one.
    if ([cluster.accepted, cluster.held, cluster.refused].includes(target))
      cluster.proven = this.flapping.has(cluster.name) ? null : cluster.accepted;
    if (cluster.accepted !== target) this.#answer(cluster, target);
  }

  /** Whether the newest commit that an agent has verified trusts the key that signed a commit. */
  #isTrusted({ verified }: SimulatedCluster, target: string): boolean {
    const [at, last] = [this.indexOf(target), this.indexOf(verified)];
    return this.commits[at]?.isStolen !== true || last < at || this.commits[last]?.trustsStolen === true;
  }

  #answer(cluster: SimulatedCluster, target: string): void {
    // One that holds the commit has its objects.
    if (this.starved.has(cluster.name) && cluster.held !== target) {
      cluster.lacking = target;
      cluster.held = null;
      return;
    }
    cluster.lacking = null;
    const isRefused = this.refusing.has(cluster.name) || this.digestOf(cluster.name, target)?.endsWith(String(REFUSED)) === true;
    if (isRefused || !this.#isTrusted(cluster, target)) {
      cluster.refused = target;
      return;
    }
    cluster.held = this.#isHeld(cluster, target) ? target : null;
    if (cluster.held !== null) return;
    cluster.accepted = target;
    cluster.refused = null;
  }

  /** Label of a cluster by which a run assigns it to a wave. */
  labelOf(name: string, run = this.run): Zone | undefined {
    const base = this.commits[this.indexOf(run?.base.revision ?? null)];
    return base?.registered.get(name) ?? this.newest.registered.get(name);
  }

  moment(): Moment {
    return { run: this.run, targets: new Map([...this.clusters.values()].map(({ name, target }) => [name, target])) };
  }

  /** Ends the hub, which forgets what it did not store; another one begins to watch. */
  restart(): void {
    this.#watchingSince = this.now;
    for (const cluster of this.clusters.values()) cluster.target = null;
  }

  /** Plans, stores and applies. @param crashes before the run is stored */
  step(crashes = false): void {
    const planned = planRun(this.run, this.input(), this.#faults.Plan);
    if (this.#faults.losesWrites === true) this.#apply(planned);
    if (crashes) return;
    this.run = planned;
    this.#apply(planned);
  }

  input(): RolloutInput {
    const base = this.commits[this.indexOf(this.run?.base.revision ?? null)];
    const known = [...this.clusters.values()].filter(({ name }) => this.newest.registered.has(name) || base?.registered.has(name));
    return {
      now: this.now,
      newest: { ...this.newest, approval: this.#approvalOfHalt(base) },
      clusters: new Map(known.map((cluster) => [cluster.name, this.#read(cluster)])),
      digestOf: (name, revision) => this.digestOf(name, revision),
    };
  }

  #read({ name, zone, awaySince, accepted, proven, refused, lacking, held, target, offered }: SimulatedCluster): RolloutCluster {
    const isKnown = awaySince === null;
    return {
      name,
      labels: { zone: this.labelOf(name) ?? zone },
      isRegistered: this.newest.registered.has(name),
      enforced: accepted === null ? null : (this.digestOf(name, accepted) ?? null),
      proven: isKnown ? proven : null,
      accepted,
      had: this.#faults.sendsBack
        ? []
        : [accepted, ...[offered, target].filter((each) => each !== refused)].filter((each) => each !== null),
      refused,
      lacking,
      awaySince: isKnown ? null : Math.max(awaySince, this.#watchingSince),
      wasSeenLeaving: awaySince !== null && awaySince > this.#watchingSince,
      held:
        held === null || !isKnown
          ? null
          : { revision: held, tag: `fso/approve/${held}/${zone}`, missing: 1, approvers: ['bob'], problems: [] },
      facts: isKnown ? { violations: this.violationsAt(name, accepted), refused: 0, pending: 0 } : null,
    };
  }

  #apply(run: RolloutRun | undefined): void {
    const { clusters } = this.input();
    const held = heldBy(run, clusters, this.newest.revision);
    for (const cluster of this.clusters.values()) {
      cluster.target = held.get(cluster.name)?.revision ?? this.newest.revision;
      const isShown = cluster.awaySince === null && cluster.accepted !== null && this.#faults.signersWait !== true;
      if (isShown) cluster.verified = this.newest.revision;
    }
  }
}
