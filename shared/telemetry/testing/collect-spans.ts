import { SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { AlwaysOffSampler, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** A tracer whose spans stay here. */
export interface SpanCollector {
  readonly tracer: Tracer;
  /** Spans that have ended, as text: the names from the root down, and the error. */
  ended(): readonly string[];
  /** Those of a name. */
  named(name: string): readonly ReadableSpan[];
}

/**
 * Collects spans, for tests of code that makes them.
 *
 * @param keeps whether the sampler keeps them
 */
export const collectSpans = (keeps = true): SpanCollector => {
  const exporter = new InMemorySpanExporter();
  const sampler = keeps ? {} : { sampler: new AlwaysOffSampler() };
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })], ...sampler });
  const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
  const nameOf = ({ name, parentSpanContext: parent }: ReadableSpan): string => {
    const above = spans().find((span) => span.spanContext().spanId === parent?.spanId);
    if (above !== undefined) return `${nameOf(above)} / ${name}`;
    return parent === undefined ? name : `${parent.spanId} / ${name}`;
  };
  const textOf = (span: ReadableSpan): string =>
    `${nameOf(span)}${span.status.code === SpanStatusCode.ERROR ? ` ! ${span.status.message}` : ''}`;
  return {
    tracer: provider.getTracer('test'),
    ended: () => spans().map(textOf),
    named: (name) => spans().filter((span) => span.name === name),
  };
};
