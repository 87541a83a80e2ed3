import type { Span } from '@opentelemetry/api';
import { dropOldest } from '../runtime/index.ts';

/** Revisions whose spans are looked up: a hub or an agent works on few at a time. */
const MAX_REVISIONS = 16;

/** The span that is active for each commit, so that lines of the log that name a commit name its trace too. */
export class ActiveSpans {
  readonly #spans = new Map<string, Span>();

  /** Makes the span the active one of the revision, in the place of the one before. */
  add(revision: string, span: Span): void {
    this.#spans.delete(revision);
    this.#spans.set(revision, span);
    dropOldest(this.#spans, MAX_REVISIONS);
  }

  /** Removes the active span. */
  remove(revision: string, span: Span): void {
    if (this.#spans.get(revision) === span) this.#spans.delete(revision);
  }

  /** @param fields of a line of the log @returns fields to add, by the names of OpenTelemetry's log format for JSON */
  readonly fieldsFor = ({ revision }: { readonly revision?: unknown }): { trace_id?: string; span_id?: string } => {
    const span = typeof revision === 'string' ? this.#spans.get(revision) : undefined;
    if (span === undefined) return {};
    const { traceId, spanId } = span.spanContext();
    return { trace_id: traceId, span_id: spanId };
  };
}
