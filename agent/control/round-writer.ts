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

/** Caches, retries, and receivers of the results of writes. */
export interface RoundWriterDeps {
  readonly runtime: AgentRuntime;
  readonly retryMs: AgentConfig['retryMs'];
  readonly view: ClusterView;
  readonly outputs: { readonly events: EventSink; readonly metrics: AgentMetrics };
  readonly planner: RoundPlanner;
  readonly tampering: TamperLog;
  /** Requests the next reconcile. */
  readonly wake: (delayMs?: number) => void;
  /** Called whenever a commit is accepted. */
  readonly onAccepted: () => void;
}

const DONE_DELAY_MS = 100;
const CONCURRENCY = 16;
/** Longest wait for the cache to show a write, in ms. */
const ECHO_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;

/** Writes what reconciles plan, and processes the results. */
export class RoundWriter {
  /** Runs the writes of reconciles, and those of reports, which are planned separately. */
  readonly pool: WritePool;
  readonly revisions: RevisionSlot;
  readonly context: WriteContext;
  readonly #deps: RoundWriterDeps;
  readonly #events: WriteEvents;
  readonly #throttles = new WriteThrottles();
  /**
   * Version of the view in which the last reconcile found the whole commit written; undefined if
   * something was left to write.
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

  /** Selects the actions of a plan that may run now; see {@link WriteThrottles.due}. */
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
   * Replaces the unstarted writes of the previous reconcile.
   *
   * @param published writes of statuses and finalizers
   */
  submit({ hubPolicies }: ClusterPlan, due: DueActions, published: readonly Write[]): void {
    const enforcing = buildWrites(due.actions, this.context);
    this.#deps.runtime.trace?.enforcing(enforcing.map(({ key }) => key));
    this.pool.submit([...buildWrites(hubPolicies.actions, this.context), ...enforcing, ...published]);
    this.#writtenAt = hubPolicies.isWritten ? this.#deps.view.version : undefined;
    this.#noteWritten();
  }

  /**
   * Retries failed policies at once for a new commit, as the cause may be gone with the old one.
   */
  #takeTarget(): void {
    this.#writtenAt = undefined;
    this.pool.retryKind(SOVEREIGN_POLICY_KIND.kind);
    this.#deps.wake();
  }

  /**
   * Records that the commit is written, if the cluster is unchanged since the last reconcile. A
   * reconcile cannot tell while a write of an older commit is running.
   */
  #noteWritten(): void {
    if (this.#writtenAt === this.#deps.view.version && this.pool.isSettled(SOVEREIGN_POLICY_KIND.kind)) this.revisions.noteWritten();
  }

  /** Handles a CRD after a write: writes that its old schema prevented are now possible. */
  #recordDefinition(definition: CustomResourceDefinition): void {
    this.#deps.planner.recordDefinition(definition, this.#deps.runtime.clock.now());
    this.pool.retryKind(definition.spec.names.kind);
  }

  #recordSuccess(write: Write, outcome: WriteOutcome): void {
    const { runtime, wake } = this.#deps;
    this.#throttles.noteWrite(write.key, runtime.clock.monotonicMs());
    this.revisions.noteWrite(write.key);
    // The watch often shows a write before its response arrives.
    this.#noteWritten();
    this.#events.recordSuccess(write, outcome);
    runtime.trace?.wrote(write.key, false);
    if (write.priority === PRIORITIES.reports) return;
    // The watch shows most writes and triggers a reconcile, which replaces this one. It is needed
    // if the watch shows none, or did so before the response arrived.
    wake(DONE_DELAY_MS);
  }

  #recordFailure(write: Write, failure: WriteFailure, error: unknown): void {
    const { planner, runtime, wake } = this.#deps;
    // The CRD has changed since it was last written.
    if (error instanceof NotKeptError) planner.forgetDefinition(error.kind);
    this.#events.recordFailure(write, failure, error);
    runtime.trace?.wrote(write.key, true);
    if (write.priority !== PRIORITIES.reports) wake();
  }
}
