import type { SpanContext } from '@opentelemetry/api';
import { sha256 } from '../encoding/index.ts';

/**
 * Span ids of a commit, derived from the commit's own id. Hub and agents find the trace of a
 * commit, and the parents of their spans, without exchanging ids.
 */

/** Characters of ids by https://www.w3.org/TR/trace-context/. */
const [TRACE_ID, SPAN_ID] = [32, 16];
/**
 * Trace flag. Each program decides by the id of a trace and its own settings whether to keep the
 * trace, never by the flag of another program.
 */
const SAMPLED = 1;

const idOf = (...parts: readonly string[]): string => sha256(['fso', ...parts].join(' '));

/** Returns the id of the trace of a commit. */
export const traceIdOf = (revision: string): string => idOf(revision).slice(0, TRACE_ID);

const spanOf = (revision: string, ...of: readonly string[]): SpanContext => ({
  traceId: traceIdOf(revision),
  spanId: idOf(revision, ...of).slice(0, SPAN_ID),
  traceFlags: SAMPLED,
  isRemote: true,
});

/** Returns the ids of the root span, which covers the rollout of a commit to the fleet. */
export const commitSpanOf = (revision: string): SpanContext => spanOf(revision, 'commit');

/**
 * Returns the ids of the span for the offer of a commit to a cluster, the parent of the agent's
 * spans.
 */
export const offerSpanOf = (revision: string, cluster: string): SpanContext => spanOf(revision, 'offer', cluster);

/**
 * Finds the trace of the commit that a log line names.
 *
 * @param fields fields of a log line
 * @returns fields to add, named as in OpenTelemetry's log format for JSON
 */
export const traceFields = ({ revision }: { readonly revision?: unknown }): { readonly trace_id?: string } =>
  typeof revision === 'string' ? { trace_id: traceIdOf(revision) } : {};
