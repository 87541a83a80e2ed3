import { AGENT_LEASE, type ClusterPreview, PREVIEW_MS, type PreviewRefusal, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { GatekeeperPlace } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { Preview, Previewed } from '@fso/shared/protocol';
import { createBucket, type Runtime, truncate } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import type { AgentConfig } from '../config.ts';
import { createGovernor, type DesiredPolicies } from '../enforce/index.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { EventSink, Observatory } from '../observe/index.ts';
import type { JudgeInput, OwnerCache, ShapeRecorder } from '../risk/index.ts';
import { changedNamespace } from './changed-namespace.ts';
import { NotAnswered, readQuestion, type Steps } from './question.ts';
import { WorkloadEffects } from './workload-effects.ts';

/** Caches of the cluster against which a change is judged. */
export interface PreviewerDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly mode: AgentConfig['preview'] | undefined;
  readonly observatory: Pick<Observatory, 'ages' | 'snapshot'>;
  readonly view: Pick<ClusterView, 'policyInputs' | 'namespaceInputs' | 'podsIn' | 'places'>;
  readonly owners: Pick<OwnerCache, 'ownersIn' | 'leftOut' | 'problem'>;
  readonly shapes: Pick<ShapeRecorder, 'in'>;
  /** Dry runs of template pods under the rules in force. */
  readonly dryRuns: Pick<JudgeInput, 'answer'>;
  /** Whether the API server injects placements in namespaces that ask for it. */
  readonly injects: () => boolean;
  readonly place: GatekeeperPlace;
  /** Whether enforcing writes are queued. */
  readonly isEnforcing: () => boolean;
  readonly events: Pick<EventSink, 'ofCluster' | 'recordOn'>;
  readonly metrics: { readonly previews: Pick<AgentMetrics['previews'], 'inc'> };
}

/** Time after which a slice ends at its next step, in ms. */
const SLICE_MS = 1;
/** Pause after a slice, as a multiple of the time that the slice took. */
const REST = 2;
const HOUR_MS = 3_600_000;
/** Questions answered per hour at most. */
export const MAX_AN_HOUR = 30;
/** Rate of events about questions, which bounds what a hub can cause by asking without end. */
const EVENTS = { burst: 40, perSecond: 40 / 3_600 };
/**
 * Largest cost of one answer: the sum of patterns tried on namespaces, regions intersected, nodes,
 * policies and regions tried for templates, and pods.
 */
export const MAX_COST = 20_000_000;
/** Longest time for one answer, in ms: it has to arrive while the hub still waits. */
const MAX_MS = PREVIEW_MS - 500;

const LEASE = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { namespace: SYSTEM_NAMESPACE, name: AGENT_LEASE },
} as const;
const NO_POLICIES: DesiredPolicies = new Map();

/**
 * Answers the hub's question of what a change of policies would do to the workloads of the cluster.
 * It works in slices beside enforcement, which does not depend on it, and keeps nothing of a
 * question after the answer.
 */
export class Previewer {
  readonly #deps: PreviewerDeps;
  readonly #signal: AbortSignal;
  readonly #mayReport: () => boolean;
  /** Monotonic times of the questions within the last hour. */
  #askedAt: readonly number[] = [];
  #isAnswering: boolean = false;

  constructor(deps: PreviewerDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#mayReport = createBucket(deps.clock, EVENTS);
  }

  /**
   * Answers a question. Never rejects.
   *
   * @param isWanted whether the hub still waits for the answer
   */
  async answer(question: Preview, isWanted: () => boolean): Promise<Previewed> {
    const answer = await this.#answer(question, isWanted).catch((error: unknown) => this.#refuse(error));
    this.#report(question, answer.state === 'Answered' ? answer.state : answer.reason);
    return { type: 'previewed', id: question.id, answer };
  }

  #refuse(error: unknown): ClusterPreview {
    const isOwn = error instanceof NotAnswered;
    // Only the error's name is logged: its message may contain parts of the question.
    if (!isOwn && !this.#signal.aborted)
      this.#deps.logger.error({ error: error instanceof Error ? error.name : typeof error }, 'a question of the hub cannot be answered');
    const [reason, message] = isOwn ? [error.reason, error.message] : (['GaveUp', 'the agent could not work it out'] as const);
    return { state: 'NotAnswered', reason, message: truncate(message, 512) };
  }

  #report({ put, removed }: Preview, outcome: PreviewRefusal | 'Answered'): void {
    const { metrics, events } = this.#deps;
    metrics.previews.inc({ outcome });
    if (!this.#mayReport()) return;
    const message = `the hub asked what ${put.length} other and ${removed.length} removed policies would do to the workloads here: ${outcome}`;
    const event = { severity: 'info', reason: 'PreviewAsked', message } as const;
    events.ofCluster(event);
    events.recordOn(LEASE, event);
  }

  async #answer(question: Preview, isWanted: () => boolean): Promise<ClusterPreview> {
    const observedAt = this.#assertAnswerable(question);
    this.#isAnswering = true;
    try {
      const effects = await this.#work(this.#steps(question), isWanted);
      this.#assertList(question);
      return { state: 'Answered', observedAt, ...effects.result(this.#deps.mode === 'names') };
    } finally {
      this.#isAnswering = false;
    }
  }

  /**
   * @returns start of the reconcile that the answer is based on
   * @throws NotAnswered
   */
  #assertAnswerable(question: Preview): string {
    const { mode, clock } = this.#deps;
    if (mode === 'off') throw new NotAnswered('Off', 'the agent answers no such questions (FSO_PREVIEW=off)');
    this.#assertList(question);
    const observedAt = this.#assertObserved();
    if (this.#isAnswering) throw new NotAnswered('Busy', 'the agent answers another question');
    const nowMs = clock.monotonicMs();
    this.#askedAt = this.#askedAt.filter((atMs) => atMs > nowMs - HOUR_MS);
    if (this.#askedAt.length >= MAX_AN_HOUR) throw new NotAnswered('TooMany', `the agent has answered ${MAX_AN_HOUR} within the hour`);
    this.#askedAt = [...this.#askedAt, nowMs];
    return observedAt;
  }

  #assertObserved(): string {
    const { observatory, owners, view } = this.#deps;
    const { asOf } = observatory.snapshot();
    const regions = view.places.inForce === undefined ? 'the regions of nodes' : undefined;
    const unknown = observatory.ages().outOfDate.join(', ') || (owners.problem ?? regions);
    if (asOf !== undefined && unknown === undefined) return asOf.toISOString();
    throw new NotAnswered('NotObserved', `the agent does not know how its cluster is now: ${unknown ?? 'no round has looked yet'}`);
  }

  #assertList({ list }: Preview): void {
    const accepted = this.#deps.observatory.snapshot().revision?.accepted;
    if ((accepted?.digest ?? null) !== list)
      throw new NotAnswered('OtherList', 'other policies are in force than the question starts from');
  }

  *#steps(question: Preview): Steps<WorkloadEffects> {
    const { observatory, view, owners, shapes, dryRuns, clock, place, injects: isInjected } = this.#deps;
    const accepted = observatory.snapshot().revision?.accepted?.policies ?? NO_POLICIES;
    const local = view.policyInputs().filter(({ managedBy }) => managedBy === 'local');
    const sides = yield* readQuestion(question, accepted, local);
    const context = { place, providers: view.places.providers };
    const now = clock.now();
    const before = yield* createGovernor(sides.before, context, now);
    const after = yield* createGovernor(sides.after, context, question.at === null ? now : new Date(question.at));
    const injects = isInjected();
    const { byName: nodes, facts } = view.places;
    const podsIn = (namespace: string) => view.podsIn(namespace);
    const answer = (target: string) => dryRuns.answer(target);
    const effects = new WorkloadEffects({ owners, shapes, podsIn, nodes, facts, answer, injects }, question.withoutRegions);
    const names = view
      .namespaceInputs()
      .flatMap(({ name, terminating }) => (terminating ? [] : name))
      .sort(byText);
    const change = { before, after, injects, losesNodes: effects.losesNodes };
    for (const name of names) {
      const changed = yield* changedNamespace(name, change);
      if (changed !== undefined) yield* effects.count(changed);
    }
    return effects;
  }

  async #work<T>(steps: Steps<T>, isWanted: () => boolean): Promise<T> {
    const { clock } = this.#deps;
    const lastMs = clock.monotonicMs() + MAX_MS;
    const slices = this.#slices(steps);
    for (let slice = slices.next(); ; slice = slices.next()) {
      if (slice.done === true) return slice.value;
      await this.#rest(slice.value * REST, () => isWanted() && clock.monotonicMs() <= lastMs);
    }
  }

  /** Runs the steps in slices; yields the duration of each slice, in ms. */
  *#slices<T>(steps: Steps<T>): Generator<number, T> {
    const { clock } = this.#deps;
    let beganMs = clock.monotonicMs();
    let cost = 0;
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      cost += step.value ?? 1;
      if (cost > MAX_COST)
        throw new NotAnswered('TooLarge', 'the question concerns more namespaces, nodes and workloads than are looked at');
      const tookMs = clock.monotonicMs() - beganMs;
      if (tookMs < SLICE_MS) continue;
      yield tookMs;
      beganMs = clock.monotonicMs();
    }
  }

  /**
   * Pauses after a slice, and repeats the pause while enforcing writes are queued.
   *
   * @throws NotAnswered once the answer would come too late
   */
  async #rest(ms: number, isInTime: () => boolean): Promise<void> {
    const { clock, observatory, isEnforcing } = this.#deps;
    do {
      await clock.sleep(ms, this.#signal);
      if (observatory.ages().outOfDate.length > 0) throw new NotAnswered('GaveUp', 'enforcement needs the time');
      if (!isInTime()) throw new NotAnswered('GaveUp', 'the answer would have come too late');
    } while (isEnforcing());
  }
}
