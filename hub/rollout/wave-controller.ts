import type { RolloutResume, RolloutView } from '@fso/shared/api';
import { type Runtime, restAfter, untilAborted, Wakeup } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { FleetState, HeldCluster, Journal, Lease } from '../ledger/index.ts';
import { CommitOrder, type RolloutSource } from './commit-order.ts';
import type { CommitTracer } from './history/commit-tracer.ts';
import { type CompiledRevision, desiredWith, type KnownFleet } from './known-commits.ts';
import { RunReader, type RunReaderDeps } from './run-reader.ts';
import { RunStore } from './run-store.ts';
import {
  areHeldEqually,
  assertResumable,
  describeHalt,
  describeRun,
  describeWithoutRun,
  endOfWave,
  eventsOfRun,
  heldBy,
  isEqualRun,
  isUnderWay,
  laterOf,
  pauseRun,
  planRun,
  RolloutChangeRefused,
  type RolloutInput,
  type RolloutRun,
  recordsOfTags,
  resumeRun,
} from './waves/index.ts';

/** Parts of the hub that a rollout in waves reads, and through which it moves clusters. */
export interface WaveControllerDeps extends RunReaderDeps, Pick<Runtime, 'logger'> {
  readonly ledger: Pick<FleetState, 'clusters' | 'subscribe'> &
    Pick<Journal, 'records' | 'setDesired' | 'addEvent' | 'audit'> &
    Pick<Lease, 'leads' | 'onLead'>;
  readonly targets: Pick<RevisionTargets, 'setTarget' | 'targetOf' | 'keepDigests'>;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly source: RolloutSource;
  /** Absent: nothing is traced. */
  readonly tracer?: Pick<CommitTracer, 'waved'> | undefined;
}

type RolloutEvent = ReturnType<typeof eventsOfRun>[number];

/** Longest time between two reconciles, in milliseconds: with a run under way, and without. */
const RECONCILE_MS = { busy: 1_000, idle: 60_000 };
/** Time for which reports are gathered before a reconcile, in milliseconds. */
const GATHER_MS = 50;
/** Bounds of the rest after a reconcile, in milliseconds. */
const REST = { minMs: 150, maxMs: 500 };

/**
 * Step ③ where a RolloutStrategy is in force: decides which clusters may have the newest commit.
 * The leading hub stores the run in the ledger. Each hub gives its agents the targets that follow
 * from the stored run, so a hub that starts or takes the lead continues from there.
 */
export class WaveController {
  readonly #deps: WaveControllerDeps;
  readonly #store: RunStore;
  readonly #reader: RunReader;
  readonly #order: CommitOrder;
  readonly #wakeup = new Wakeup();
  #newest: CompiledRevision | undefined;
  /** Commit that brings the first strategy, until its run is stored. */
  #first: CompiledRevision | undefined;
  /** Origin of the targets in place: the run, or the newest commit; null until they are set. */
  #applied: 'run' | 'newest' | null = 'newest';
  #held: ReadonlyMap<string, HeldCluster> = new Map();
  #isBehind: boolean = false;
  #isReported: boolean = false;
  /** Run that was read last, with its input. */
  #last: { readonly run: RolloutRun | undefined; readonly input: RolloutInput } | undefined;
  /** Time from which absences of clusters count, in milliseconds since 1970. */
  #watchingSince: number;

  constructor(deps: WaveControllerDeps) {
    const { ledger, source } = deps;
    this.#deps = deps;
    this.#store = new RunStore(ledger.records);
    this.#reader = new RunReader(deps);
    this.#order = new CommitOrder(source);
    this.#watchingSince = this.#now();
    ledger.onLead(() => this.watchAgain());
    this.#store.subscribe(() => this.#wakeup.wake());
    ledger.subscribe((change) => {
      if (change.kind === 'cluster' && isUnderWay(this.#store.run)) this.#wakeup.wake();
    });
  }

  /**
   * Takes the newest commit.
   *
   * @returns whether waves decide which clusters get it; if not, all do
   */
  take(commit: CompiledRevision): boolean {
    const isFree = !this.areInForce;
    this.#newest = commit;
    this.#reader.add(commit, ...(isFree ? [] : (['keep'] as const)));
    this.#applied = isFree ? 'newest' : null;
    if (isFree) this.#held = new Map();
    if (isFree && commit.desired.set.rollout === undefined) return false;
    if (isFree) this.#first = commit;
    this.#wakeup.wake();
    return !isFree;
  }

  /** Whether the next commit goes out in waves. */
  get areInForce(): boolean {
    return this.#store.exists || this.#first !== undefined;
  }

  /**
   * Counts absences of clusters from now on, as this hub begins to lead or was paused, and may have
   * missed their contacts.
   */
  watchAgain(): void {
    this.#watchingSince = this.#now();
    this.#wakeup.wake();
  }

  /** Reconciles until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      const waitMs = this.#isBehind || isUnderWay(this.#store.run) ? RECONCILE_MS.busy : RECONCILE_MS.idle;
      await this.#wakeup.waitAtMost(waitMs, clock, signal).catch(() => undefined);
      await clock.sleep(GATHER_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      // A write blocks while the database is unavailable, and must not delay the shutdown.
      const started = clock.monotonicMs();
      const reconciling = this.#reconcile().catch((err: unknown) => logger.error({ err }, 'rollout could not be reconciled'));
      await Promise.race([reconciling, untilAborted(signal)]);
      await clock.sleep(restAfter(clock.monotonicMs() - started, REST), signal).catch(() => undefined);
    }
  }

  /** Describes the rollout of the newest commit. */
  async status(): Promise<RolloutView> {
    const run = this.#store.run;
    const known = run && (await this.#read(run));
    if (run && known) return describeRun(run, known.input, this.#deps.source.approvals.problemsOf(run.revision));
    const state = this.#store.isUnreadable ? 'Unreadable' : run === undefined ? 'Immediate' : 'NotRead';
    return describeWithoutRun(state, this.#newest?.desired.revision ?? run?.revision ?? null);
  }

  /** Returns the failed gate that stops the rollout; null if none does. */
  halted(): Pick<RolloutView, 'halted' | 'revision'> {
    const run = this.#store.run;
    const input = run === this.#last?.run ? this.#last?.input : undefined;
    return { halted: run === undefined ? null : describeHalt(run, input), revision: run?.revision ?? null };
  }

  /** @throws RolloutChangeRefused */
  async pause(by: string, revision?: string): Promise<void> {
    await this.#store.change(revision, (run) => pauseRun(run, by, this.#now()));
    this.#wakeup.wake();
  }

  /**
   * Ends a pause, or passes the gate that has failed.
   *
   * @returns the gate that was passed; null if none was
   * @throws RolloutChangeRefused, also if another gate than `halt` has failed, or only an approval
   * passes the gate
   */
  async resume({ revision, halt }: RolloutResume): Promise<RolloutView['halted']> {
    const { input } = (await this.#read(this.#store.run)) ?? {};
    let passed: RolloutView['halted'] = null;
    await this.#store.change(revision, (run) => {
      if (input === undefined) throw new RolloutChangeRefused('The hub has not read the repository yet.');
      assertResumable(run, halt);
      passed = run.paused === null ? describeHalt(run, input) : null;
      return resumeRun(run, input);
    });
    this.#wakeup.wake();
    return passed;
  }

  /** Number of clusters that are held at an older commit, and whether a gate has failed. */
  readings(): { readonly held: number; readonly isHalted: boolean } {
    return { held: this.#held.size, isHalted: this.halted().halted !== null };
  }

  #now(): number {
    return this.#deps.clock.now().getTime();
  }

  /** Whether this hub can reconcile the stored run. Logs once if it cannot read the run. */
  async #isReady(stored: RolloutRun | undefined): Promise<boolean> {
    if (this.#store.isUnreadable) {
      if (!this.#isReported)
        this.#deps.logger.error('the stored rollout is of another version of the hub: every cluster keeps what it has');
      this.#isReported = true;
      return false;
    }
    if (this.#newest === undefined) return false;
    if (stored === undefined)
      return this.#first !== undefined || this.#applied !== 'newest' || this.#newest.desired.set.rollout !== undefined;
    // Another hub may have fetched a newer commit: nothing moves until this hub has it, too.
    this.#isBehind = await this.#order.isBehind(this.#newest.desired.revision, stored.revision);
    return !this.#isBehind;
  }

  async #reconcile(): Promise<void> {
    const stored = this.#store.run;
    if (!(await this.#isReady(stored))) return;
    let planned: KnownFleet | undefined;
    if (this.#deps.ledger.leads()) planned = await this.#advance(stored);
    // A first strategy that the leading hub has not stored is not in force.
    else this.#first = undefined;
    const run = this.#store.run;
    const known = run === stored && planned?.newest === this.#newest ? planned : await this.#read(run);
    if (known !== undefined && this.#first === undefined) this.#apply(run, known);
  }

  /** Plans the next state of the run, and stores it. @returns the input of the plan */
  async #advance(stored: RolloutRun | undefined): Promise<KnownFleet | undefined> {
    const first = stored === undefined ? this.#first : undefined;
    const known = await this.#read(stored, first);
    if (known === undefined) return undefined;
    const planned = planRun(stored, known.input);
    const tagged = await this.#recordTags(stored, known);
    if (!isEqualRun(planned, stored)) await this.#replace(stored, planned, { input: known.input, tagged });
    if (this.#store.run === undefined && first !== undefined) return known;
    this.#first = undefined;
    // A commit that came meanwhile is planned next.
    if (first !== undefined && this.#newest !== first) this.#wakeup.wake();
    return known;
  }

  /** Audits what signed tags let a run do, before the run does it. @returns the event to add */
  async #recordTags(stored: RolloutRun | undefined, { input }: KnownFleet): Promise<RolloutEvent | undefined> {
    const records = stored && recordsOfTags(stored, input);
    if (records !== undefined) await this.#deps.ledger.audit.append(records.entry);
    return records?.event;
  }

  #addEvent(event: RolloutEvent): void {
    const { ledger, logger } = this.#deps;
    logger.info({ revision: event.revision, reason: event.reason }, 'rollout changed');
    const time = new Date(this.#now()).toISOString();
    ledger.addEvent(null, { ...event, time }).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  }

  /** Stores a planned run, and adds its events. `tagged` is the event of signed tags, if any. */
  async #replace(
    before: RolloutRun | undefined,
    planned: RolloutRun | undefined,
    { input, tagged }: { readonly input: RolloutInput; readonly tagged: RolloutEvent | undefined },
  ): Promise<void> {
    if (!(await this.#store.replace(before, planned))) return this.#wakeup.wake();
    for (const event of [...(tagged ? [tagged] : []), ...eventsOfRun(before, planned)]) this.#addEvent(event);
    const ended = endOfWave(before, planned, input);
    if (ended !== undefined) this.#deps.tracer?.waved(ended);
  }

  /** Reads the input of a plan; undefined if no commit was taken yet. */
  async #read(run: RolloutRun | undefined, newest = this.#newest): Promise<KnownFleet | undefined> {
    const latest = this.#newest ?? newest;
    if (newest === undefined || latest === undefined) return undefined;
    const known = await this.#reader.read(run, { newest, latest, watchingSince: this.#watchingSince });
    this.#last = { run, input: known.input };
    return known;
  }

  /** Sets the targets that the stored run has for clusters, unless they are in place. */
  #apply(run: RolloutRun | undefined, known: KnownFleet): void {
    const { newest, commits, input } = known;
    // A newer commit has come meanwhile, here or to another hub: another reconcile follows.
    if (newest !== this.#newest || (run !== undefined && !commits.has(run.revision))) return;
    const held = heldBy(run, input.clusters, newest.desired.revision);
    const isGiven = run !== undefined && this.#applied === 'run' && areHeldEqually(held, this.#held);
    if (!isGiven) this.#setTargets(run, known, held);
  }

  #setTargets(run: RolloutRun | undefined, { newest, commits }: KnownFleet, held: ReadonlyMap<string, HeldCluster>): void {
    const { ledger, logger, targets, delivery } = this.#deps;
    const { revision } = newest.desired;
    this.#applied = run === undefined ? 'newest' : 'run';
    this.#held = held;
    const offered = new Map([...held].map(([name, at]) => [name, commits.has(at.revision) ? at.revision : null]));
    targets.setTarget(revision, offered, run && ((target, has) => laterOf(run, target, has)));
    for (const [at, { digests }] of [...commits, [revision, newest] as const]) targets.keepDigests(at, digests);
    ledger.setDesired(desiredWith(newest, commits, held)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    const groups = Map.groupBy(delivery.connected(), (name) => targets.targetOf(name));
    for (const [target, names] of groups) if (target !== null) delivery.publish(target, names);
  }
}
