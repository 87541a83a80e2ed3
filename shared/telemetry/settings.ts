import { z } from 'zod';
import { type Environment, isLoopback, type ProblemTexts, readText, type Secrets, secretText } from '../runtime/index.ts';

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Sampler of traces, as OTEL_TRACES_SAMPLER sets it. */
export interface SamplerConfig {
  readonly name: (typeof SAMPLERS)[number];
  /** Share of traces that the samplers by ratio keep, 0 to 1. */
  readonly ratio: number;
}

/** Settings of the export of traces. */
export interface TelemetryConfig {
  /** URL to which OTLP is sent, with its path. */
  readonly url: string;
  /** Returns the headers of the next request, which may hold credentials. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** PEM of the collector's CA; undefined: the system's. */
  readonly ca: string | undefined;
  /** undefined: the name of the program. */
  readonly serviceName: string | undefined;
  /** Attributes of the resource that the operator sets for this program. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly sampler: SamplerConfig;
}

/** Longest value of a variable with a list; such lists are sent with each export. */
const MAX_LIST = 4096;
/** Most entries of a list. */
const MAX_ENTRIES = 64;

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return undefined;
  }
};

/**
 * Creates the schema of a list `name=value,name=value` with percent-encoded values
 * (https://opentelemetry.io/docs/specs/otel/resource/sdk/).
 */
const listOf = (name: RegExp, value: RegExp, problem: string) =>
  z
    .string()
    .max(MAX_LIST)
    .transform((text, context) => {
      const pairs = text
        .split(',')
        .filter((pair) => pair.trim() !== '')
        .map((pair) => [decoded(pair.split('=', 1)[0] ?? ''), decoded(pair.slice(pair.indexOf('=') + 1))] as const);
      const isGood = text.split(',').every((pair) => pair.trim() === '' || pair.includes('=')) && pairs.length <= MAX_ENTRIES;
      const entries = pairs.filter((pair): pair is [string, string] => name.test(pair[0] ?? '') && value.test(pair[1] ?? '\0'));
      if (isGood && entries.length === pairs.length) return Object.fromEntries(entries);
      context.addIssue({ code: 'custom', message: problem });
      return z.NEVER;
    });

const Headers = listOf(
  /^[\w!#$%&'*+.^`|~-]+$/,
  /^[\x20-\x7e]*$/,
  'must be name=value, separated by commas, with values in percent-encoding',
);
const Attributes = listOf(/^[\x21-\x7e]+$/, /^\P{Cc}*$/u, 'must be name=value, separated by commas, with values in percent-encoding');

/** The variables of traces, by OpenTelemetry's own names, for the schemas of hub and agent. */
export const TELEMETRY_VARIABLES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
    .optional()
    .meta({
      description:
        'URL of an OpenTelemetry collector that takes OTLP over HTTP, e.g. http://localhost:4318; /v1/traces is added. Turns traces on.',
      fallback: 'no traces',
    }),
  OTEL_EXPORTER_OTLP_HEADERS: Headers.optional().meta({
    description: 'Headers of each export, name=value, separated by commas. Beyond this machine they need https://.',
    secret: true,
  }),
  OTEL_EXPORTER_OTLP_CERTIFICATE: z.string().min(1).optional().meta({
    description: "File with the CA of the collector's certificate (PEM).",
    fallback: "the system's CAs",
  }),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal('http/protobuf', 'must be http/protobuf').default('http/protobuf').meta({
    description: 'http/protobuf, the one that is spoken.',
  }),
  OTEL_SERVICE_NAME: z.string().min(1).max(255).optional().meta({
    description: 'Name of this program in traces.',
    fallback: 'fso-hub or fso-agent',
  }),
  OTEL_RESOURCE_ATTRIBUTES: Attributes.optional().meta({
    description: 'What every span says of this program, name=value, separated by commas, e.g. deployment.environment.name=production.',
  }),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS)
    .default('parentbased_always_on')
    .meta({
      description: `Which traces are kept: ${SAMPLERS.join(', ')}; with and without parentbased alike. Equal settings keep the same commits at hub and agents.`,
    }),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1).meta({
    description: 'Share of the traces that the samplers by ratio keep, 0 to 1.',
  }),
} as const;

/**
 * Removes the variables of OpenTelemetry while traces are off. Platforms set them for all programs
 * alike, and unused ones must not keep a program from starting.
 */
export const withoutUnusedTelemetry = (env: Environment): Environment =>
  (env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') === ''
    ? Object.fromEntries(Object.entries(env).filter(([name]) => !/^OTEL_/.test(name)))
    : env;

type TelemetryVariables = z.infer<z.ZodObject<typeof TELEMETRY_VARIABLES>>;

/** Variables of {@link TELEMETRY_VARIABLES} that are secret, and may be in files. */
export const TELEMETRY_SECRETS: readonly string[] = ['OTEL_EXPORTER_OTLP_HEADERS'];

const tracesUrl = (endpoint: string): string => `${endpoint.replace(/\/+$/, '')}/v1/traces`;

/**
 * Reads the settings of the export of traces, and the file of the CA.
 *
 * @param problems receives the problems found; headers are not quoted
 * @returns undefined if traces are off
 */
export const readTelemetry = async (
  variables: TelemetryVariables,
  secrets: Secrets,
  problems: ProblemTexts,
): Promise<TelemetryConfig | undefined> => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = variables;
  if (endpoint === undefined) return undefined;
  const { protocol, hostname } = new URL(endpoint);
  if (protocol === 'http:' && Object.keys(headers).length > 0 && !isLoopback(hostname))
    problems.push('OTEL_EXPORTER_OTLP_HEADERS: would go in the clear to another machine: use https:// in OTEL_EXPORTER_OTLP_ENDPOINT');
  const { OTEL_EXPORTER_OTLP_CERTIFICATE: caFile } = variables;
  const secret = secrets.get('OTEL_EXPORTER_OTLP_HEADERS');
  const ca = caFile === undefined ? undefined : await readText('OTEL_EXPORTER_OTLP_CERTIFICATE', caFile, problems);
  return {
    url: tracesUrl(endpoint),
    headers: () => (secret === undefined ? {} : Headers.parse(secretText(secret))),
    ca,
    serviceName: variables.OTEL_SERVICE_NAME,
    attributes: variables.OTEL_RESOURCE_ATTRIBUTES ?? {},
    sampler: { name: variables.OTEL_TRACES_SAMPLER, ratio: variables.OTEL_TRACES_SAMPLER_ARG },
  };
};
