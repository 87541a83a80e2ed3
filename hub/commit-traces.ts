import type { Reason } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import { type ActiveSpans, formatTraceparent, parseTraceparent } from '@fso/shared/telemetry';
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { ClusterRecord, FleetState } from './ledger/index.ts';
import type { RejectedRevision, Source, SourceRevision, SourceTimes } from './source/index.ts';

export interface CommitTracesDeps {
  readonly tracer: Tracer;
  /** Learns of the span of the commit in force. */
  readonly active: ActiveSpans;
  readonly clock: Clock;
}

/** A commit that is not proven by then is not waited for any more: its spans end, as errors. */
export const LONGEST_MS = 600_000;
/** A commit that is found this long after a webhook may not be the one that it announced. */
const HINT_MS = 60_000;

interface CommitInProgress {
  readonly revision: string;
  readonly span: Span;
  readonly context: Context;
  /**
   * Clusters that were offered it and have neither proven nor refused it; while it is waited for.
   */
  readonly waiting: Set<string>;
  readonly expired: AbortController;
  isReleased: boolean;
  /** Reasons of the refusals, by cluster. */
  readonly refusals: Map<string, string>;
  isEnded: boolean;
}

/**
 * The trace of each commit at this hub, from its fetch to the last cluster's proof. It only
 * watches: nothing depends on it.
 */
export class CommitTraces {
  readonly #deps: CommitTracesDeps;
  /** Offers by cluster: one for each stream at most. */
  readonly #offers = new Map<string, { readonly revision: string; readonly span: Span }>();
  #current: CommitInProgress | undefined;
  #hint: { readonly parent: SpanContext; readonly at: number } | undefined;
  #rejected = '';

  constructor(deps: CommitTracesDeps) {
    this.#deps = deps;
  }

  /** Begins to watch. Before other handlers of the source, so that offers find their trace. */
  follow(source: Pick<Source, 'onRevision' | 'onRejected'>, ledger: Pick<FleetState, 'subscribe' | 'cluster'>): void {
    source.onRevision((revision) => this.#take(revision));
    source.onRejected((rejected) => this.#reject(rejected));
    ledger.subscribe((change) => {
      if (change.kind !== 'cluster' || this.#current?.waiting.has(change.cluster) !== true) return;
      // What cannot be read leaves a span open for a while.
      ledger.cluster(change.cluster).then(
        (record) => record !== null && this.#note(record),
        () => undefined,
      );
    });
  }

  /** An authenticated webhook announces a commit in a trace of its sender. */
  hinted(traceparent: string | undefined): void {
    const parent = parseTraceparent(traceparent ?? '');
    if (parent !== undefined) this.#hint = { parent, at: this.#deps.clock.monotonicMs() };
  }

  /** Measures a step of the hub that nothing is waited for in. @throws what the step throws */
  step<T>(name: 'compile' | 'release', revision: string, work: () => T): T {
    const commit = this.#commitOf(revision);
    if (commit === undefined) return work();
    const span = this.#deps.tracer.startSpan(name, {}, commit.context);
    try {
      return work();
    } catch (error) {
      fail(span, 'failed');
      throw error;
    } finally {
      span.end();
      if (name === 'release') {
        commit.isReleased = true;
        this.#endIfProven(commit);
      }
    }
  }

  /** The hub begins to make an offer. */
  offer(cluster: string, revision: string): void {
    this.#endOffer(cluster, 'superseded');
    const commit = this.#commitOf(revision);
    if (commit === undefined) return;
    if (!commit.isEnded) commit.waiting.add(cluster);
    const attributes = { 'k8s.cluster.name': cluster };
    const span = this.#deps.tracer.startSpan('offer', { kind: SpanKind.PRODUCER, attributes }, commit.context);
    this.#offers.set(cluster, { revision, span });
  }

  /** The trace context that goes with an offer. @returns undefined: there is none */
  traceparentOf(cluster: string, revision: string): string | undefined {
    const offer = this.#offers.get(cluster);
    return offer?.revision === revision ? formatTraceparent(offer.span) : undefined;
  }

  /** The offer is on its way. */
  sent(cluster: string, revision: string, objects: number): void {
    const offer = this.#offers.get(cluster);
    if (offer?.revision === revision) offer.span.setAttribute('fso.objects', objects).addEvent('sent');
  }

  /** The agent has taken or refused an offer. */
  answered(cluster: string, revision: string, reasons: readonly Reason[] = []): void {
    if (this.#offers.get(cluster)?.revision !== revision) return;
    const commit = this.#commitOf(revision);
    const [reason] = reasons;
    if (reason === undefined) {
      commit?.refusals.delete(cluster);
      this.#endOffer(cluster, 'acked');
      return;
    }
    const { code = 'invalid' } = reason;
    this.#endOffer(cluster, code, true);
    if (commit === undefined) return;
    commit.refusals.set(cluster, code);
    this.#done(commit, cluster);
  }

  /** The stream of a cluster has ended. */
  closed(cluster: string): void {
    this.#endOffer(cluster, 'disconnected', true);
    if (this.#current !== undefined) this.#done(this.#current, cluster);
  }

  /** Ends all spans. */
  stop(): void {
    this.#end('stopped');
  }

  #take({ commit, set, verification, times, restored }: SourceRevision): void {
    this.#end('superseded');
    // Found in force at a start: its way was another hub's, or an earlier one's.
    if (restored) return;
    const { span, context } = this.#begin(commit.revision, times);
    span.setAttributes({
      'fso.policies': set.policies.length,
      'fso.clusters': set.clusters.length,
      'fso.verification': verification.state,
    });
    this.#judged(context, times).end(Date.parse(times.judged));
    const expired = new AbortController();
    const { revision } = commit;
    this.#current = { revision, span, context, waiting: new Set(), expired, isReleased: false, refusals: new Map(), isEnded: false };
    this.#deps.active.add(revision, span);
    this.#deps.clock.sleep(LONGEST_MS, expired.signal).then(
      () => this.#end('not-proven', true),
      () => undefined,
    );
  }

  #reject({ commit, problems, times }: RejectedRevision): void {
    // The source looks again at each fetch at what only time can mend.
    if (this.#rejected === commit.revision) return;
    this.#rejected = commit.revision;
    const { span, context } = this.#begin(commit.revision, times);
    const code = problems[0]?.code ?? 'invalid';
    const judge = this.#judged(context, times);
    for (const each of [judge, span]) fail(each, code).setAttribute('fso.problems', problems.length);
    judge.end(Date.parse(times.judged));
    span.end(Date.parse(times.judged));
    // Its line in the log is still to come.
    const { active } = this.#deps;
    active.add(commit.revision, span);
    setImmediate(() => active.remove(commit.revision, span));
  }

  /** Starts the trace of a commit, with its fetch. */
  #begin(revision: string, times: SourceTimes): { readonly span: Span; readonly context: Context } {
    const { tracer, clock } = this.#deps;
    const hint = this.#hint;
    this.#hint = undefined;
    const isFresh = hint !== undefined && clock.monotonicMs() - hint.at <= HINT_MS;
    const parent = isFresh ? trace.setSpanContext(ROOT_CONTEXT, hint.parent) : ROOT_CONTEXT;
    const startTime = Date.parse(times.noticed);
    const attributes: Attributes = { 'vcs.ref.head.revision': revision };
    const span = tracer.startSpan('commit', { startTime, attributes, kind: isFresh ? SpanKind.CONSUMER : SpanKind.INTERNAL }, parent);
    const context = trace.setSpan(ROOT_CONTEXT, span);
    tracer.startSpan('fetch', { startTime, kind: SpanKind.CLIENT }, context).end(Date.parse(times.fetched));
    return { span, context };
  }

  #judged(context: Context, times: SourceTimes): Span {
    return this.#deps.tracer.startSpan('judge', { startTime: Date.parse(times.fetched) }, context);
  }

  #note({ name, connected, report, divergedSince }: ClusterRecord): void {
    const commit = this.#current;
    if (commit === undefined) return;
    // While a part of the report is missing, nothing that it says counts as proven.
    const isProven = divergedSince === null && report?.provenRevision === commit.revision;
    if (!connected || isProven) this.#done(commit, name);
  }

  #commitOf(revision: string): CommitInProgress | undefined {
    return this.#current?.revision === revision ? this.#current : undefined;
  }

  /** Stops waiting for a cluster. */
  #done(commit: CommitInProgress, cluster: string): void {
    if (commit.waiting.delete(cluster)) this.#endIfProven(commit);
  }

  #endIfProven(commit: CommitInProgress): void {
    // Agents that come later still join the trace.
    if (!commit.isReleased || commit.waiting.size > 0) return;
    const [refusal] = commit.refusals.values();
    this.#endSpan(commit, refusal ?? 'enforced', refusal !== undefined);
  }

  #endSpan(commit: CommitInProgress, result: string, isError = false): void {
    if (commit.isEnded) return;
    commit.isEnded = true;
    conclude(commit.span, result, isError);
    this.#deps.active.remove(commit.revision, commit.span);
    commit.span.end();
  }

  #endOffer(cluster: string, result: string, isError = false): void {
    const offer = this.#offers.get(cluster);
    if (offer === undefined) return;
    this.#offers.delete(cluster);
    conclude(offer.span, result, isError);
    offer.span.end();
  }

  #end(result: 'superseded' | 'stopped' | 'not-proven', isError = false): void {
    const commit = this.#current;
    if (commit === undefined) return;
    this.#current = undefined;
    commit.expired.abort();
    for (const cluster of [...this.#offers.keys()]) this.#endOffer(cluster, result, isError);
    this.#endSpan(commit, result, isError);
  }
}

/** @param result an error's code, or how the span ended that nothing went wrong in */
const conclude = (span: Span, result: string, isError: boolean): Span =>
  isError ? fail(span, result) : span.setAttribute('fso.result', result);

const fail = (span: Span, code: string): Span =>
  span.setStatus({ code: SpanStatusCode.ERROR, message: code }).setAttribute('error.type', code);
