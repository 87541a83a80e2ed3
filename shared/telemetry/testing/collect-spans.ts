import { SpanStatusCode } from '@opentelemetry/api';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { createTracer, type SpanStarter } from '../sdk.ts';

/** Tracer that collects its spans in memory. */
export interface SpanCollector extends SpanStarter {
  /** Ended spans as text: the names from the root down, and the error. */
  ended(): readonly string[];
  /** Ended spans with a name. */
  named(name: string): readonly ReadableSpan[];
}

/** Creates a collector for tests of code that starts spans. */
export const collectSpans = (): SpanCollector => {
  const exporter = new InMemorySpanExporter();
  const { tracer, startSpanAs } = createTracer({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
  const nameOf = ({ name, parentSpanContext: parent }: ReadableSpan): string => {
    const above = spans().find((span) => span.spanContext().spanId === parent?.spanId);
    if (above !== undefined) return `${nameOf(above)} / ${name}`;
    return parent === undefined ? name : `${parent.spanId} / ${name}`;
  };
  const textOf = (span: ReadableSpan): string =>
    `${nameOf(span)}${span.status.code === SpanStatusCode.ERROR ? ` ! ${span.status.message}` : ''}`;
  return {
    tracer,
    startSpanAs,
    ended: () => spans().map(textOf),
    named: (name) => spans().filter((span) => span.name === name),
  };
};
