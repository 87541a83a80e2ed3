import pino from 'pino';
import { LogOutput } from './log-output.ts';

/**
 * A log. A fact has one name everywhere, such as `cluster`, `policy` (key of a SovereignPolicy: its
 * name, or namespace/name outside of the agent's namespace), `revision`, `trace_id` (of the commit
 * that a line names, by OpenTelemetry's name) and `err`; messages are constant.
 */
export type Logger = pino.Logger;

/** Lowest level that is logged; `silent` logs nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRETS = ['token', 'authorization', 'password', 'secret', 'cookie'] as const;

/**
 * Paths at which a secret might be in a logged object: on top, one level down, or in the headers of
 * a request.
 */
const redactPaths = (): string[] => SECRETS.flatMap((name) => [name, `*.${name}`, `headers.${name}`, `*.headers.${name}`]);

/** Name, level and destination of a program's log. */
export interface LoggerOptions {
  readonly name: string;
  readonly level?: LogLevel;
  /** Default: standard output, at once; programs give a {@link LogOutput}. */
  readonly destination?: pino.DestinationStream;
  /** Fields to add to a line, by those that it has of its own. */
  readonly mixin?: ((fields: object) => object) | undefined;
}

/**
 * JSON lines with RFC 3339 time and the level by name. Fields named like secrets are replaced by
 * `[redacted]`.
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
