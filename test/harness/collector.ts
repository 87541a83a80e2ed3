import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../../clusters/local/ports.ts';
import { runMark, tail } from '../../clusters/processes.ts';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { eventually } from './waiting.ts';

const COLLECTOR_TOOL: ToolModule = {
  name: 'collector',
  dir: join(import.meta.dirname, 'otel'),
  upstream: 'go.opentelemetry.io/collector/otelcol',
  package: '.',
  programs: ['collector'],
  sources: ['main.go'],
};

/** Span as the collector received it, with the names of its resource. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root span. */
  readonly parentSpanId: string;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Attributes of the span, and of its resource. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** Ids of linked spans of other traces. */
  readonly links: readonly string[];
  /** Problem code of a failed span. */
  readonly error: string | undefined;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly links?: readonly { readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** STATUS_CODE_ERROR of OTLP. */
const ERROR = 2;

const valuesOf = (attributes: readonly Attribute[] = []): Record<string, string | number> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));

const spansOf = ({ resourceSpans }: OtlpTraces): readonly CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const common = valuesOf(resource.attributes);
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        service: String(common['service.name']),
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        start: Number(span.startTimeUnixNano) / 1e6,
        end: Number(span.endTimeUnixNano) / 1e6,
        attributes: { ...common, ...valuesOf(span.attributes) },
        links: (span.links ?? []).map(({ spanId }) => spanId),
        error: span.status?.code === ERROR ? (span.status.message ?? '') : undefined,
      }));
  });

/** Real OpenTelemetry collector. */
export class Collector {
  /** Endpoint for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly #file: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, file: string, stop: () => Promise<void>) {
    this.url = url;
    this.#file = file;
    this.#stop = stop;
  }

  /** @param folder folder for its configuration, its log and the spans */
  static async start(folder: string, signal: AbortSignal): Promise<Collector> {
    const { collector = '' } = await ensureTools({ env: process.env, log: () => undefined, modules: [COLLECTOR_TOOL] }, signal);
    await mkdir(folder, { recursive: true });
    const [config, file] = [join(folder, 'collector.yaml'), join(folder, 'spans.jsonl')];
    const endpoint = `127.0.0.1:${await freePort()}`;
    await writeFile(file, '');
    await writeFile(
      config,
      stringify({
        receivers: { otlp: { protocols: { http: { endpoint } } } },
        exporters: { lines: { path: file } },
        service: {
          pipelines: { traces: { receivers: ['otlp'], exporters: ['lines'] } },
          // The collector's own metrics would use a fixed port.
          telemetry: { metrics: { level: 'none' } },
        },
      }),
    );
    const log = await open(join(folder, 'collector.log'), 'w');
    const child = spawn(join(collector, 'collector'), [`--config=file:${config}`], { stdio: ['ignore', log.fd, log.fd], env: runMark() });
    const ended = once(child, 'exit');
    await log.close();
    const url = `http://${endpoint}`;
    await eventually(async () => {
      if (child.exitCode !== null) return 'ended' as const;
      return (await fetch(`${url}/v1/traces`, { method: 'POST' })).status > 0;
    });
    if (child.exitCode !== null) throw new Error(`the collector ended: ${tail(join(folder, 'collector.log'), 8)}`);
    return new Collector(url, file, async () => {
      child.kill();
      await ended;
    });
  }

  /** Returns all spans received so far. */
  async spans(): Promise<readonly CollectedSpan[]> {
    const lines = (await readFile(this.#file, 'utf8')).split('\n').slice(0, -1);
    return lines.flatMap((line) => spansOf(JSON.parse(line) as OtlpTraces));
  }

  /**
   * Returns the spans in the trace of a commit, which its root names; empty if there is none yet.
   *
   * @throws Error if there are several traces
   */
  async traceOf(revision: string): Promise<readonly CollectedSpan[]> {
    const spans = await this.spans();
    const roots = spans.filter(({ name, attributes }) => name === 'commit' && attributes['vcs.ref.head.revision'] === revision);
    if (roots.length > 1) throw new Error(`${roots.length} traces of ${revision}`);
    return spans.filter(({ traceId }) => traceId === roots[0]?.traceId);
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}
