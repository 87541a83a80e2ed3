import type { RolloutResume, RolloutView } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import { type Runtime, untilAborted, Wakeup } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { FleetState, HeldCluster, Journal, Lease } from '../ledger/index.ts';
import { CommitOrder, type RolloutSource } from './commit-order.ts';
import type { ImmediateCheck } from './immediate-check.ts';
import { type CompiledRevision, desiredWith, digestIn, KnownCommits, type KnownFleet } from './known-commits.ts';
import { hadBy, readClusters } from './read-clusters.ts';
import {
  assertResumable,
  commitsOf,
  describeHalt,
  describeRun,
  describeWithoutRun,
  eventsOfRun,
  heldBy,
  immediateOf,
  isUnderWay,
  laterOf,
  meantRun,
  parseRun,
  pauseRun,
  planRun,
  RolloutChangeRefused,
  type RolloutInput,
  type RolloutRun,
  RUN_KEY,
  recordsOfImmediate,
  resumeRun,
} from './waves/index.ts';

export interface WaveControllerDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<FleetState, 'clusters' | 'subscribe'> &
    Pick<Journal, 'records' | 'setDesired' | 'addEvent' | 'audit'> &
    Pick<Lease, 'leads' | 'onLead'>;
  readonly targets: Pick<RevisionTargets, 'setTarget' | 'targetOf' | 'keepDigests'>;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly source: RolloutSource;
  /** Absent: no commit skips waves. */
  readonly immediate?: Pick<ImmediateCheck, 'check'>;
}

type RolloutEvent = ReturnType<typeof eventsOfRun>[number];

/** Milliseconds between two looks at a run that is under way, and without one. */
const LOOK_MS = { busy: 1_000, idle: 60_000 };
/** Milliseconds for which reports are gathered before a look, and rest after it. */
const GATHER_MS = 50;
const REST_MS = 150;

/**
 * Step ③ where a RolloutStrategy is in force: decides which clusters may have the newest commit.
 * The leading hub writes the run into the ledger; each hub gives its agents the targets that follow
 * from what is stored, so that a hub that starts, or takes the lead, goes on from there.
 */
export class WaveController {
  readonly #deps: WaveControllerDeps;
  readonly #commits: KnownCommits;
  readonly #order: CommitOrder;
  readonly #wakeup = new Wakeup();
  #newest: CompiledRevision | undefined;
  /** Commit that brings the first strategy, until the ledger has the run that it begins. */
  #first: CompiledRevision | undefined;
  /** Text of the targets given out last; '': every cluster has the newest; null: others are due. */
  #applied: string | null = '';
  #held: ReadonlyMap<string, HeldCluster> = new Map();
  #isBehind: boolean = false;
  #isReported: boolean = false;
  /** Milliseconds since 1970 since when a cluster that is not connected is away. */
  #watchingSince: number;

  constructor(deps: WaveControllerDeps) {
    const { ledger, source } = deps;
    this.#deps = deps;
    this.#commits = new KnownCommits((revision) => source.read(revision));
    this.#order = new CommitOrder(source);
    this.#watchingSince = this.#now();
    ledger.onLead(() => this.watchAgain());
    ledger.records.subscribe(RUN_KEY.kind, () => this.#wakeup.wake());
    ledger.subscribe((change) => {
      if (change.kind === 'cluster' && isUnderWay(this.#stored())) this.#wakeup.wake();
    });
  }

  /**
   * Takes the newest commit. @returns whether waves decide who gets it; if not, every cluster does
   */
  take(commit: CompiledRevision): boolean {
    const isFree = !this.areInForce;
    this.#newest = commit;
    this.#commits.add(commit, ...(isFree ? [] : (['keep'] as const)));
    this.#applied = isFree ? '' : null;
    if (isFree) this.#held = new Map();
    if (isFree && commit.desired.set.rollout === undefined) return false;
    if (isFree) this.#first = commit;
    this.#wakeup.wake();
    return !isFree;
  }

  /** Whether the next commit goes out in waves. */
  get areInForce(): boolean {
    return this.#deps.ledger.records.get(RUN_KEY.kind, RUN_KEY.name) !== undefined || this.#first !== undefined;
  }

  /** Takes no cluster for away by what this hub missed: it begins to lead, or was paused. */
  watchAgain(): void {
    this.#watchingSince = this.#now();
    this.#wakeup.wake();
  }

  /** Works on runs until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      const waitMs = this.#isBehind || isUnderWay(this.#stored()) ? LOOK_MS.busy : LOOK_MS.idle;
      await this.#wakeup.waitAtMost(waitMs, clock, signal).catch(() => undefined);
      await clock.sleep(GATHER_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      // A write waits while the database is away; the end of the hub does not.
      const looking = this.#look().catch((err: unknown) => logger.error({ err }, 'rollout not worked on'));
      await Promise.race([looking, untilAborted(signal)]);
      await clock.sleep(REST_MS, signal).catch(() => undefined);
    }
  }

  /** The rollout of the newest commit, for people. */
  async status(): Promise<RolloutView> {
    const run = this.#stored();
    const known = run && (await this.#read(run));
    if (run && known) return describeRun(run, known.input, this.#deps.source.approvals.problemsOf(run.revision));
    const state = this.#isUnreadable() ? 'Unreadable' : run === undefined ? 'Immediate' : 'NotRead';
    return describeWithoutRun(state, this.#newest?.desired.revision ?? run?.revision ?? null);
  }

  /** The failed gate that keeps the rollout from going on, if there is one. */
  halted(): Pick<RolloutView, 'halted' | 'revision'> {
    const run = this.#stored();
    return { halted: run === undefined ? null : describeHalt(run), revision: run?.revision ?? null };
  }

  /** @throws RolloutChangeRefused */
  async pause(by: string, revision?: string): Promise<void> {
    await this.#change(revision, (run) => pauseRun(run, by, this.#now()));
  }

  /**
   * Ends a pause, or passes the gate that has failed. @returns the gate that was passed; null: none
   *
   * @throws RolloutChangeRefused also where another gate has failed than the one that is meant
   */
  async resume({ revision, halt }: RolloutResume): Promise<RolloutView['halted']> {
    const { input } = (await this.#read(this.#stored())) ?? {};
    let passed: RolloutView['halted'] = null;
    await this.#change(revision, (run) => {
      if (input === undefined) throw new RolloutChangeRefused('The hub has not read the repository yet.');
      assertResumable(run, halt);
      passed = run.paused === null ? describeHalt(run) : null;
      return resumeRun(run, input);
    });
    return passed;
  }

  /** Number of clusters that are held at an older commit, and whether a gate has failed. */
  readings(): { readonly held: number; readonly isHalted: boolean } {
    return { held: this.#held.size, isHalted: this.halted().halted !== null };
  }

  #now(): number {
    return this.#deps.clock.now().getTime();
  }

  #stored(): RolloutRun | undefined {
    return parseRun(this.#deps.ledger.records.get(RUN_KEY.kind, RUN_KEY.name));
  }

  /** Whether there is a run that this version cannot read: nothing is released beside it. */
  #isUnreadable(): boolean {
    return this.#stored() === undefined && this.#deps.ledger.records.get(RUN_KEY.kind, RUN_KEY.name) !== undefined;
  }

  async #change(revision: string | undefined, change: (run: RolloutRun) => RolloutRun): Promise<void> {
    await this.#deps.ledger.records.update(RUN_KEY.kind, RUN_KEY.name, (value) => {
      const run = meantRun(value, revision);
      const next = change(run);
      return next === run ? value : { ...next, sequence: run.sequence + 1 };
    });
    this.#wakeup.wake();
  }

  /** Whether this hub can work on a run. Logs once that it cannot read the one that is stored. */
  async #isReady(stored: RolloutRun | undefined): Promise<boolean> {
    if (this.#isUnreadable()) {
      if (!this.#isReported)
        this.#deps.logger.error('the stored rollout is of another version of the hub: every cluster keeps what it has');
      this.#isReported = true;
      return false;
    }
    if (this.#newest === undefined) return false;
    if (stored === undefined) return this.#first !== undefined || this.#applied !== '' || this.#newest.desired.set.rollout !== undefined;
    // Another hub may be ahead of what this one has fetched: nothing moves until then.
    this.#isBehind = await this.#order.isBehind(this.#newest.desired.revision, stored.revision);
    return !this.#isBehind;
  }

  async #look(): Promise<void> {
    const stored = this.#stored();
    if (!(await this.#isReady(stored))) return;
    let planned: KnownFleet | undefined;
    if (this.#deps.ledger.leads()) planned = await this.#lead(stored);
    // What the leading hub has not stored is not in force.
    else this.#first = undefined;
    const run = this.#stored();
    const known = run === stored && planned?.newest === this.#newest ? planned : await this.#read(run);
    if (known !== undefined && this.#first === undefined) this.#apply(run, known);
  }

  /** Brings the stored run to where it can be now. @returns what it was planned from */
  async #lead(stored: RolloutRun | undefined): Promise<KnownFleet | undefined> {
    const first = stored === undefined ? this.#first : undefined;
    const known = await this.#read(stored, first);
    if (known === undefined) return undefined;
    const planned = planRun(stored, known.input);
    const skips = await this.#recordImmediate(stored, known);
    await this.#store(stored, planned, skips);
    if (this.#stored() === undefined && first !== undefined) return known;
    this.#first = undefined;
    // A commit that came meanwhile is the next one.
    if (first !== undefined && this.#newest !== first) this.#wakeup.wake();
    return known;
  }

  /** Records that a commit skips waves, before it does. @returns the event of it */
  async #recordImmediate(stored: RolloutRun | undefined, { input }: KnownFleet): Promise<RolloutEvent | undefined> {
    const immediate = stored && immediateOf(stored, input);
    if (immediate === undefined) return undefined;
    const { entry, event } = recordsOfImmediate(input.newest.revision, immediate);
    await this.#deps.ledger.audit.append(entry);
    return event;
  }

  #addEvent(event: RolloutEvent): void {
    const { ledger, logger } = this.#deps;
    logger.info({ revision: event.revision, reason: event.reason }, 'rollout changed');
    const time = new Date(this.#now()).toISOString();
    ledger.addEvent(null, { ...event, time }).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  }

  /** @param skips event of a commit that skips waves by what is stored */
  async #store(before: RolloutRun | undefined, planned: RolloutRun | undefined, skips: RolloutEvent | undefined): Promise<void> {
    if (canonicalJson(planned ?? null) === canonicalJson(before ?? null)) return;
    const { ledger } = this.#deps;
    const next = planned && { ...planned, sequence: (before?.sequence ?? 0) + 1 };
    let isOurs = false;
    await ledger.records.update(RUN_KEY.kind, RUN_KEY.name, (value) => {
      // Another hub, or a person, may have changed it meanwhile.
      isOurs = parseRun(value)?.sequence === before?.sequence;
      return isOurs ? next : value;
    });
    if (!isOurs) return this.#wakeup.wake();
    for (const event of [...(skips ? [skips] : []), ...eventsOfRun(before, next)]) this.#addEvent(event);
  }

  /** Reads what a plan is made from; undefined: no commit was read yet. */
  async #read(run: RolloutRun | undefined, newest = this.#newest): Promise<KnownFleet | undefined> {
    if (newest === undefined) return undefined;
    const { revision, set } = newest.desired;
    const latest = this.#newest?.desired.revision ?? revision;
    const records = await this.#deps.ledger.clusters();
    const targetOf = (cluster: string) => this.#deps.targets.targetOf(cluster);
    const had = records.flatMap((record) => hadBy(record, targetOf(record.name)));
    const commits = await this.#commits.only(new Set([revision, latest, ...(run === undefined ? [] : commitsOf(run, had))]));
    const digestOf: RolloutInput['digestOf'] = (cluster, at) => digestIn(commits, cluster, at);
    const base = run && commits.get(run.base.revision)?.desired.set;
    const clusters = readClusters({ newest: set, base, records, watchingSince: this.#watchingSince, digestOf, targetOf });
    const immediate = await this.#deps.immediate?.check(run?.base, revision);
    const input = { now: this.#now(), newest: { revision, strategy: set.rollout?.document.spec, immediate }, clusters, digestOf };
    return { newest, commits, input };
  }

  /** Gives each cluster the target that the stored run has for it. */
  #apply(run: RolloutRun | undefined, known: KnownFleet): void {
    const { ledger, logger, targets, delivery } = this.#deps;
    const { newest, commits, input } = known;
    // A newer commit has come meanwhile, here or to another hub, and another look follows.
    if (newest !== this.#newest || (run !== undefined && !commits.has(run.revision))) return;
    const { revision } = newest.desired;
    const held = heldBy(run, input.clusters, revision);
    const text = canonicalJson([revision, Object.fromEntries(held)]);
    if (text === this.#applied) return;
    this.#applied = run === undefined ? '' : text;
    this.#held = held;
    const offered = new Map([...held].map(([name, at]) => [name, commits.has(at.revision) ? at.revision : null]));
    targets.setTarget(revision, offered, run && ((target, has) => laterOf(run, target, has)));
    for (const [at, { digests }] of [...commits, [revision, newest] as const]) targets.keepDigests(at, digests);
    ledger.setDesired(desiredWith(newest, commits, held)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    const groups = Map.groupBy(delivery.connected(), (name) => targets.targetOf(name));
    for (const [target, names] of groups) if (target !== null) delivery.publish(target, names);
  }
}
