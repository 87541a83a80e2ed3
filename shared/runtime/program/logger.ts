import pino from 'pino';
import { LogOutput } from './log-output.ts';

/**
 * Log. Messages are constant, and a fact has one field name everywhere, such as `cluster`, `policy`
 * (key of a SovereignPolicy: its name, or namespace/name outside the agent's namespace),
 * `revision`, `trace_id` (of the named commit, as in OpenTelemetry) and `err`.
 */
export type Logger = pino.Logger;

/** Lowest level that is logged; `silent` logs nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRETS = ['token', 'authorization', 'password', 'secret', 'cookie'] as const;

/**
 * Paths at which a secret might be in a logged object: at the top, one level down, or in the
 * headers of a request.
 */
const redactPaths = (): string[] => SECRETS.flatMap((name) => [name, `*.${name}`, `headers.${name}`, `*.headers.${name}`]);

/** Name, level and destination of a program's log. */
export interface LoggerOptions {
  readonly name: string;
  readonly level?: LogLevel;
  /** Default: unbuffered standard output. Programs use a {@link LogOutput}. */
  readonly destination?: pino.DestinationStream;
  /** Returns fields to add to a line, given the line's own fields. */
  readonly mixin?: ((fields: object) => object) | undefined;
}

/**
 * Creates a log of JSON lines with RFC 3339 time and the level by name. Fields named like secrets
 * are replaced by `[redacted]`.
 */
export const createLogger = ({ name, level = 'info', destination, mixin }: LoggerOptions): Logger => {
  const options = {
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: pino.stdSerializers.err },
    redact: { paths: redactPaths(), censor: '[redacted]' },
    ...(mixin !== undefined && { mixin }),
  };
  const logger = destination === undefined ? pino(options) : pino(options, destination);
  if (destination instanceof LogOutput)
    destination.onDropped = (dropped) => logger.warn({ dropped }, 'lines of the log were dropped, as they were not read');
  return logger;
};
