import type { SpanContext } from '@opentelemetry/api';
import { sha256 } from '../encoding/index.ts';

/**
 * Ids of the spans of a commit, which follow from its own: hub and agents find the trace of a
 * commit, and the parents of their spans in it, without telling each other.
 */

/** Characters of ids by https://www.w3.org/TR/trace-context/. */
const [TRACE_ID, SPAN_ID] = [32, 16];
/**
 * Trace flag. Whether a trace is kept follows from its id and the settings of each program, never
 * from a flag of another one.
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

/** Returns the ids of the root of a trace, the way of the commit through the fleet. */
export const commitSpanOf = (revision: string): SpanContext => spanOf(revision, 'commit');

/** Returns the ids of the offer of a commit to a cluster, the parent of what its agent does. */
export const offerSpanOf = (revision: string, cluster: string): SpanContext => spanOf(revision, 'offer', cluster);

/**
 * Finds the trace that a log line belongs to.
 *
 * @param fields of a line of the log @returns fields to add, by the names of OpenTelemetry's log
 * format for JSON: the trace of the commit that the line names
 */
export const traceFields = ({ revision }: { readonly revision?: unknown }): { readonly trace_id?: string } =>
  typeof revision === 'string' ? { trace_id: traceIdOf(revision) } : {};
