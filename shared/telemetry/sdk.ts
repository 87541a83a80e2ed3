import { type Context, ROOT_CONTEXT, type Span, type SpanContext, type SpanOptions, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type TracerProviderOptions,
} from '@opentelemetry/sdk-trace';
import type { Logger } from '../runtime/index.ts';
import type { SamplerConfig, TelemetryConfig } from './settings.ts';

/** Identity of a program in its traces. */
export interface ProgramIdentity {
  readonly name: string;
  readonly version: string;
  /** More attributes, by names of the semantic conventions. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Starts spans. */
export interface SpanStarter {
  readonly tracer: Tracer;
  /** Starts a span with given ids. @param parent default: the span is a root */
  readonly startSpanAs: (ids: SpanContext, name: string, options?: SpanOptions, parent?: Context) => Span;
}

/** Starts spans and exports them. */
export interface Telemetry extends SpanStarter {
  /** Exports the remaining spans, for a few seconds at most. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Timeout of one export with its retries, in milliseconds. The last export delays the end of the
 * program by as much.
 */
const EXPORT_MS = 3_000;
/** Time for which spans are batched, in milliseconds. */
const GATHER_MS = 1_000;
/** Most spans that wait for the collector, about a kilobyte each. Further ones are dropped. */
const MAX_QUEUE = 2_048;
const MAX_BATCH = 512;
/** Longest value of an attribute, in characters. The problem of a commit can be long. */
const MAX_VALUE = 1_024;
/** Code of a success, `ExportResultCode.SUCCESS` of @opentelemetry/core. */
const SUCCESS = 0;

/**
 * Creates the sampler. It decides by the id of a trace alone, so either all spans of the trace are
 * kept or none. The prefix `parentbased_` has no effect: the parents of other programs are derived,
 * and carry no decision.
 */
const samplerOf = ({ name, ratio }: SamplerConfig): Sampler => {
  if (name.endsWith('traceidratio')) return new TraceIdRatioBasedSampler(ratio);
  return name.endsWith('always_off') ? new AlwaysOffSampler() : new AlwaysOnSampler();
};

/** Generates random ids, except for spans that {@link startAs} starts. */
class SpanIds extends RandomIdGenerator {
  #known: SpanContext | undefined;

  startAs(known: SpanContext, start: () => Span): Span {
    this.#known = known;
    try {
      return start();
    } finally {
      this.#known = undefined;
    }
  }

  override generateTraceId(): string {
    return this.#known?.traceId ?? super.generateTraceId();
  }

  override generateSpanId(): string {
    return this.#known?.spanId ?? super.generateSpanId();
  }
}

interface TracerParts extends SpanStarter {
  readonly shutdown: () => Promise<void>;
}

/** Creates a tracer. It is not registered globally: only code that receives it creates spans. */
export const createTracer = (options: TracerProviderOptions, version?: string): TracerParts => {
  const ids = new SpanIds();
  const provider = new TracerProvider({ ...options, idGenerator: ids });
  const tracer = provider.getTracer('fso', version);
  return {
    tracer,
    startSpanAs: (known, name, options, parent = ROOT_CONTEXT) => ids.startAs(known, () => tracer.startSpan(name, options, parent)),
    shutdown: () => provider.shutdown(),
  };
};

/**
 * Logs the first failed export, and the first successful one after it. Lost spans are not sent
 * again.
 */
class LoggedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  #lost = 0;

  constructor(exporter: SpanExporter, logger: Logger) {
    this.#exporter = exporter;
    this.#logger = logger;
  }

  export: SpanExporter['export'] = (spans, done) => {
    this.#exporter.export(spans, (result) => {
      if (result.code !== SUCCESS) this.#fail(spans.length, result.error);
      else if (this.#lost > 0) {
        this.#logger.info({ lost: this.#lost }, 'traces are exported again');
        this.#lost = 0;
      }
      done(result);
    });
  };

  #fail(spans: number, error: Error | undefined): void {
    // Only the message: the stack shows only code of the library, and headers must not be logged.
    if (this.#lost === 0) this.#logger.warn({ reason: error?.message }, 'traces cannot be exported');
    this.#lost += spans;
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }
}

/** Starts the SDK. */
export const startSdk = (config: TelemetryConfig, { name, version, attributes }: ProgramIdentity, logger: Logger): Telemetry => {
  const exporter = new OTLPTraceExporter({
    url: config.url,
    headers: async () => ({ ...config.headers() }),
    timeoutMillis: EXPORT_MS,
    ...(config.ca !== undefined && { httpAgentOptions: { ca: config.ca } }),
  });
  const processor = new BatchSpanProcessor({
    exporter: new LoggedExporter(exporter, logger),
    maxQueueSize: MAX_QUEUE,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: GATHER_MS,
    // Only a safeguard: the exporter's own timeout has ended by then, and logged the loss.
    exportTimeoutMillis: EXPORT_MS + GATHER_MS,
  });
  const own = { 'service.version': version, ...attributes, ...config.attributes, 'service.name': config.serviceName ?? name };
  const { shutdown, ...made } = createTracer(
    {
      resource: defaultResource().merge(resourceFromAttributes(own)),
      sampler: samplerOf(config.sampler),
      spanLimits: { attributeValueLengthLimit: MAX_VALUE },
      spanProcessors: [processor],
    },
    version,
  );
  // Spans that cannot be exported in time are lost. The exporter has logged that.
  return { ...made, stop: () => shutdown().catch(() => undefined) };
};
