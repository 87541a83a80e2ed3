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
  /** Starts a span whose ids are known beforehand. @param parent default: it is a root */
  readonly startSpanAs: (ids: SpanContext, name: string, options?: SpanOptions, parent?: Context) => Span;
}

/** Starts spans and exports them. */
export interface Telemetry extends SpanStarter {
  /** Exports what waits, for some seconds at most. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Milliseconds of one export with its retries, and so of the last one, which keeps the program from
 * ending.
 */
const EXPORT_MS = 3_000;
/** Milliseconds for which spans gather. */
const GATHER_MS = 1_000;
/** Spans that wait for the collector, about a kilobyte each; those that find no room are lost. */
const MAX_QUEUE = 2_048;
const MAX_BATCH = 512;
/** Characters of an attribute; the problem of a commit may be long. */
const MAX_VALUE = 1_024;
/** Code of a success, `ExportResultCode.SUCCESS` of @opentelemetry/core. */
const SUCCESS = 0;

/**
 * All spans of a trace are kept or none, as each sampler decides by the id of the trace alone. With
 * `parentbased_` it is the same one: the parent of another program is derived, and says nothing.
 */
const samplerOf = ({ name, ratio }: SamplerConfig): Sampler => {
  if (name.endsWith('traceidratio')) return new TraceIdRatioBasedSampler(ratio);
  return name.endsWith('always_off') ? new AlwaysOffSampler() : new AlwaysOnSampler();
};

/** Random ids, except for spans that are started by {@link startAs}. */
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

/** Creates a tracer. Nothing is registered globally: only what is given it makes spans. */
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

/** Logs the first export that fails and the first that succeeds again; no more is done about it. */
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
    // Without the stack, which is that of the library; with headers it would not be logged either.
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
    // Only a guard: the exporter has ended by then, and has said what became of the spans.
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
  // What cannot be exported in time is lost, as the log says.
  return { ...made, stop: () => shutdown().catch(() => undefined) };
};
