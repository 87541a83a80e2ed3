import type { Reason } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import { offerSpanOf } from '@fso/shared/telemetry';
import { ROOT_CONTEXT, type Span, SpanKind, type SpanOptions, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';

/** Tracer that gets the spans of commits. */
export interface CommitTraceDeps {
  readonly tracer: Tracer;
  readonly cluster: string;
  readonly clock: Clock;
}

/** Time after which a commit is no longer awaited, in ms. Its spans then end as errors. */
export const LONGEST_MS = 600_000;

interface Offered {
  readonly revision: string;
  readonly span: Span;
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
  readonly expired: AbortController;
  /** Current span: `write policies`, then `prove`. */
  span: Span;
  isAccepted: boolean;
  enforcing: Enforcing | undefined;
}

/**
 * Trace of the newest commit at this agent, from its offer to its proof. The parent of its spans is
 * the span of the offer at the hub, whose ids are derived from the commit. It only observes:
 * nothing depends on it.
 */
export class CommitTrace {
  readonly #deps: CommitTraceDeps;
  #offered: Offered | undefined;
  #current: CommitInProgress | undefined;

  constructor(deps: CommitTraceDeps) {
    this.#deps = deps;
  }

  /** Records that the intake begins to judge an offer. */
  offered(revision: string): void {
    const attributes = { 'vcs.ref.head.revision': revision };
    const span = this.#startSpan('intake', revision, { kind: SpanKind.CONSUMER, attributes });
    this.#offered = { revision, span };
  }

  /** Records that the offer is refused. */
  refused(revision: string, reasons: readonly Reason[]): void {
    this.#endIntake(revision, (span) => fail(span, reasons[0]?.code ?? 'invalid'));
  }

  /**
   * Records that the offer is good and its policies are to be written. This supersedes any other
   * commit.
   */
  aimed(revision: string, { policies, objects }: { readonly policies: number; readonly objects: number }): void {
    const offered = this.#offered;
    this.#endIntake(revision, (span) => span.setAttributes({ 'fso.policies': policies, 'fso.objects': objects }));
    this.#end('superseded');
    if (offered?.revision !== revision) return;
    const expired = new AbortController();
    const span = this.#startSpan('write policies', revision);
    this.#current = { revision, expired, span, isAccepted: false, enforcing: undefined };
    this.#deps.clock.sleep(LONGEST_MS, expired.signal).then(
      () => this.#end('not-proven', true),
      () => undefined,
    );
  }

  /**
   * Records that the policies of the commit are written and the commit is persisted as accepted.
   */
  accepted(revision: string): void {
    const commit = this.#commitOf(revision);
    if (commit === undefined || commit.isAccepted) return;
    commit.span.end();
    commit.isAccepted = true;
    // Dry runs start with the first write of a lock, which may be earlier.
    const startTime = commit.enforcing?.startTime ?? this.#now();
    commit.span = this.#startSpan('prove', revision, { startTime });
  }

  /** Records that a reconcile requests writes of the locks, by key. */
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
  }

  #end(result: 'superseded' | 'stopped' | 'proven' | 'not-proven', isError = false): void {
    const commit = this.#current;
    if (commit === undefined) return;
    this.#current = undefined;
    commit.expired.abort();
    this.#endEnforcing(commit);
    if (isError) fail(commit.span, result);
    commit.span.setAttribute('fso.result', result).end();
  }

  /**
   * Creates the span of the writes. Its end is known only now: reconciles continue, and the proof
   * of the commit shows which write was the last one for it.
   */
  #endEnforcing({ enforcing, revision }: CommitInProgress): void {
    if (enforcing === undefined) return;
    const { startTime, endTime, written, failed } = enforcing;
    const span = this.#startSpan('enforce', revision, { startTime });
    span.setAttributes({ 'fso.writes': written, 'fso.writes.failed': failed });
    if (failed > 0) fail(span, 'write-failed');
    span.end(endTime);
  }

  #commitOf(revision: string): CommitInProgress | undefined {
    return this.#current?.revision === revision ? this.#current : undefined;
  }

  #startSpan(name: string, revision: string, options: SpanOptions = {}): Span {
    const { tracer, cluster } = this.#deps;
    return tracer.startSpan(name, options, trace.setSpanContext(ROOT_CONTEXT, offerSpanOf(revision, cluster)));
  }

  #now(): number {
    return this.#deps.clock.now().getTime();
  }
}

const fail = (span: Span, code: string): Span =>
  span.setStatus({ code: SpanStatusCode.ERROR, message: code }).setAttribute('error.type', code);
