import type { Reason } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import { type ActiveSpans, parseTraceparent } from '@fso/shared/telemetry';
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';

export interface CommitTraceDeps {
  readonly tracer: Tracer;
  /** Learns of the span that a commit is in. */
  readonly active: ActiveSpans;
  readonly clock: Clock;
}

/** A commit that is not proven by then is not waited for any more: its spans end, as errors. */
export const LONGEST_MS = 600_000;

interface Offered {
  readonly revision: string;
  readonly span: Span;
  /** Parent of what follows. */
  readonly context: Context;
}

/** Writes of the locks since a commit began to be written. */
interface Enforcing {
  readonly startTime: number;
  endTime: number;
  written: number;
  failed: number;
  readonly keys: Set<string>;
}

interface CommitInProgress {
  readonly revision: string;
  readonly context: Context;
  readonly expired: AbortController;
  /** `write policies`, then `prove`. */
  span: Span;
  isAccepted: boolean;
  enforcing: Enforcing | undefined;
}

/**
 * The trace of the newest commit at this agent, from its offer to its proof; the hub's trace goes
 * on in it. It only watches: nothing depends on it, and what the hub sends is no more than the
 * parent of its spans.
 */
export class CommitTrace {
  readonly #deps: CommitTraceDeps;
  #offered: Offered | undefined;
  #current: CommitInProgress | undefined;

  constructor(deps: CommitTraceDeps) {
    this.#deps = deps;
  }

  /** Records that the intake begins to judge an offer. */
  offered({ revision, traceparent }: { readonly revision: string; readonly traceparent?: string | undefined }): void {
    const parent = parseTraceparent(traceparent ?? '');
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const attributes = { 'vcs.ref.head.revision': revision };
    const span = this.#deps.tracer.startSpan('intake', { kind: SpanKind.CONSUMER, attributes }, context);
    // Without a hub that traces, the intake is the root.
    this.#offered = { revision, span, context: parent === undefined ? trace.setSpan(ROOT_CONTEXT, span) : context };
    this.#deps.active.add(revision, span);
  }

  /** Records that the offer is refused. */
  refused(revision: string, reasons: readonly Reason[]): void {
    this.#endIntake(revision, (span) => fail(span, reasons[0]?.code ?? 'invalid'));
  }

  /**
   * Records that the offer is good, and its policies are to be written. It supersedes another
   * commit.
   */
  aimed(revision: string, { policies, objects }: { readonly policies: number; readonly objects: number }): void {
    const offered = this.#offered;
    this.#endIntake(revision, (span) => span.setAttributes({ 'fso.policies': policies, 'fso.objects': objects }));
    this.#end('superseded');
    if (offered?.revision !== revision) return;
    const { context } = offered;
    const expired = new AbortController();
    const span = this.#deps.tracer.startSpan('write policies', {}, context);
    this.#current = { revision, context, expired, span, isAccepted: false, enforcing: undefined };
    this.#deps.active.add(revision, span);
    this.#deps.clock.sleep(LONGEST_MS, expired.signal).then(
      () => this.#end('not-proven', true),
      () => undefined,
    );
  }

  /**
   * Records that the policies of the commit are written, and that it is persisted as the accepted
   * one.
   */
  accepted(revision: string): void {
    const commit = this.#commitOf(revision);
    if (commit === undefined || commit.isAccepted) return;
    commit.span.end();
    commit.isAccepted = true;
    // Dry runs begin with the first write of a lock, which may come before.
    const startTime = commit.enforcing?.startTime ?? this.#now();
    commit.span = this.#deps.tracer.startSpan('prove', { startTime }, commit.context);
    this.#deps.active.add(revision, commit.span);
  }

  /** A round asks for writes of the locks, by key. */
  enforcing(keys: readonly string[]): void {
    const commit = this.#current;
    if (commit === undefined || keys.length === 0) return;
    const now = this.#now();
    commit.enforcing ??= { startTime: now, endTime: now, written: 0, failed: 0, keys: new Set() };
    for (const key of keys) commit.enforcing.keys.add(key);
  }

  /** Records the end of a write. */
  wrote(key: string, isFailed: boolean): void {
    const enforcing = this.#current?.enforcing;
    if (enforcing === undefined || !enforcing.keys.delete(key)) return;
    enforcing.endTime = this.#now();
    if (isFailed) enforcing.failed += 1;
    else enforcing.written += 1;
  }

  /** Records that every policy of the commit is proven by both locks. */
  proven(revision: string): void {
    if (this.#commitOf(revision)?.isAccepted === true) this.#end('proven');
  }

  /** Ends all spans. */
  stop(): void {
    this.#end('stopped');
  }

  #endIntake(revision: string, conclude: (span: Span) => void): void {
    const offered = this.#offered;
    if (offered?.revision !== revision) return;
    this.#offered = undefined;
    conclude(offered.span);
    offered.span.end();
    // The line of the log about it is still to come.
    setImmediate(() => this.#deps.active.remove(revision, offered.span));
  }

  #end(result: 'superseded' | 'stopped' | 'proven' | 'not-proven', isError = false): void {
    const commit = this.#current;
    if (commit === undefined) return;
    this.#current = undefined;
    commit.expired.abort();
    this.#endEnforcing(commit);
    if (isError) fail(commit.span, result);
    commit.span.setAttribute('fso.result', result).end();
    this.#deps.active.remove(commit.revision, commit.span);
  }

  /**
   * Creates the span of the writes, which is known only now: rounds go on, and the proof of the
   * commit shows which of them was the last for it.
   */
  #endEnforcing({ enforcing, context }: CommitInProgress): void {
    if (enforcing === undefined) return;
    const { startTime, endTime, written, failed } = enforcing;
    const span = this.#deps.tracer.startSpan('enforce', { startTime }, context);
    span.setAttributes({ 'fso.writes': written, 'fso.writes.failed': failed });
    if (failed > 0) fail(span, 'write-failed');
    span.end(endTime);
  }

  #commitOf(revision: string): CommitInProgress | undefined {
    return this.#current?.revision === revision ? this.#current : undefined;
  }

  #now(): number {
    return this.#deps.clock.now().getTime();
  }
}

const fail = (span: Span, code: string): Span =>
  span.setStatus({ code: SpanStatusCode.ERROR, message: code }).setAttribute('error.type', code);
