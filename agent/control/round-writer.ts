import { type CustomResourceDefinition, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import {
  buildFinalizerWrites,
  buildWrites,
  type DueActions,
  NotKeptError,
  PRIORITIES,
  type Write,
  type WriteContext,
  WriteEvents,
  type WriteOutcome,
  WritePool,
  WriteThrottles,
} from '../apply/index.ts';
import type { ClusterView } from '../cache/index.ts';
import type { AgentConfig } from '../config.ts';
import { isAlert, type WriteFailure } from '../enforce/index.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { EventSink, TamperLog } from '../observe/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import { RevisionSlot } from './revision-slot.ts';
import type { RoundPlanner } from './round-planner.ts';

/** Caches, retries and receivers of what comes of writes. */
export interface RoundWriterDeps {
  readonly runtime: AgentRuntime;
  readonly retryMs: AgentConfig['retryMs'];
  readonly view: ClusterView;
  readonly outputs: { readonly events: EventSink; readonly metrics: AgentMetrics };
  readonly planner: RoundPlanner;
  readonly tampering: TamperLog;
  /** Asks for the next round. */
  readonly wake: (delayMs?: number) => void;
  /** Called whenever another commit is accepted. */
  readonly onAccepted: () => void;
}

const DONE_DELAY_MS = 100;
const CONCURRENCY = 16;
/** Longest wait for the cache to show a write. */
const ECHO_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;

/** Writes what rounds plan, and takes note of what comes of it. */
export class RoundWriter {
  /** Runs the writes of rounds, and of reports, which are planned beside them. */
  readonly pool: WritePool;
  readonly revisions: RevisionSlot;
  readonly context: WriteContext;
  readonly #deps: RoundWriterDeps;
  readonly #events: WriteEvents;
  readonly #throttles = new WriteThrottles();
  /**
   * Version of the view in which the last round found nothing of the commit left to write;
   * undefined: it found something.
   */
  #writtenAt: number | undefined;

  constructor(deps: RoundWriterDeps, signal: AbortSignal) {
    const { runtime, retryMs, view, outputs, planner, tampering, wake, onAccepted } = deps;
    const { client, clock, random, logger } = runtime;
    this.#deps = deps;
    this.revisions = new RevisionSlot(clock, { onTarget: () => this.#takeTarget(), onAccepted });
    this.#events = new WriteEvents({ ...outputs, view, logger, clock, tampering, revision: () => this.revisions.revision });
    this.context = {
      client,
      view,
      defaults: planner.defaults,
      onDefinition: (definition) => this.#recordDefinition(definition),
      onTookOver: (repair) => this.#events.recordRepair(repair),
    };
    const [firstMs, secondMs] = retryMs;
    this.pool = new WritePool(
      {
        concurrency: CONCURRENCY,
        clock,
        retry: { firstMs, secondMs, capMs: LONGEST_RETRY_MS, random },
        echoMs: ECHO_MS,
        onDone: (write, outcome) => this.#recordSuccess(write, outcome),
        onFailure: (write, failure, error) => this.#recordFailure(write, failure, error),
      },
      signal,
    );
    this.pool.onDue('rounds', () => wake());
  }

  /** The actions of a plan that may run now; see {@link WriteThrottles.due}. */
  due(plan: ClusterPlan, throttled: Parameters<WriteThrottles['due']>[1], now: number): DueActions {
    this.revisions.noteFailures(this.pool.failures());
    return this.#throttles.due(plan, throttled, now);
  }

  /** Builds the writes of finalizers. */
  releases(plan: ClusterPlan): readonly Write[] {
    this.#events.recordDeletions(plan);
    const failing = this.pool.failures().filter(isAlert);
    return buildFinalizerWrites(plan, new Set(failing.map(({ key }) => key)), this.context);
  }

  /**
   * Replaces the writes of the round before that have not started. @param published writes of
   * statuses and finalizers
   */
  submit({ hubPolicies }: ClusterPlan, due: DueActions, published: readonly Write[]): void {
    const enforcing = buildWrites(due.actions, this.context);
    this.#deps.runtime.trace?.enforcing(enforcing.map(({ key }) => key));
    this.pool.submit([...buildWrites(hubPolicies.actions, this.context), ...enforcing, ...published]);
    this.#writtenAt = hubPolicies.isWritten ? this.#deps.view.version : undefined;
    this.#noteWritten();
  }

  /**
   * Retries failed policies for a new commit. The cause of the failures may be gone with the commit
   * before.
   */
  #takeTarget(): void {
    this.#writtenAt = undefined;
    this.pool.retryKind(SOVEREIGN_POLICY_KIND.kind);
    this.#deps.wake();
  }

  /**
   * Records that the commit is written, if the cluster is still as the last round saw it. Rounds do
   * not show that while a write of an older commit is running.
   */
  #noteWritten(): void {
    if (this.#writtenAt === this.#deps.view.version && this.pool.isSettled(SOVEREIGN_POLICY_KIND.kind)) this.revisions.noteWritten();
  }

  /** A CRD as a write left it: what its schema kept from being written can be now. */
  #recordDefinition(definition: CustomResourceDefinition): void {
    this.#deps.planner.recordDefinition(definition, this.#deps.runtime.clock.now());
    this.pool.retryKind(definition.spec.names.kind);
  }

  #recordSuccess(write: Write, outcome: WriteOutcome): void {
    const { runtime, wake } = this.#deps;
    this.#throttles.noteWrite(write.key, runtime.clock.monotonicMs());
    this.revisions.noteWrite(write.key);
    // The watch often shows a write before its answer comes.
    this.#noteWritten();
    this.#events.recordSuccess(write, outcome);
    runtime.trace?.wrote(write.key, false);
    if (write.priority === PRIORITIES.reports) return;
    // The watch shows most writes, and the round that follows makes up for this call; where it
    // shows none, or did before the answer came, what waited for this write to end needs it.
    wake(DONE_DELAY_MS);
  }

  #recordFailure(write: Write, failure: WriteFailure, error: unknown): void {
    const { planner, runtime, wake } = this.#deps;
    // Its CRD has changed since the last write.
    if (error instanceof NotKeptError) planner.forgetDefinition(error.kind);
    this.#events.recordFailure(write, failure, error);
    runtime.trace?.wrote(write.key, true);
    if (write.priority !== PRIORITIES.reports) wake();
  }
}
