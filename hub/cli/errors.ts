/** Exit codes of `fso`. */
export const EXIT = {
  ok: 0,
  /** Negative result: invalid, not found, or timed out. */
  negative: 1,
  /** Failure without a result: a usage, connection or access error, or an unreadable folder. */
  error: 2,
} as const;

/** Ends the command with a message, without a stack trace. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.error) {
    super(message);
    this.exitCode = exitCode;
  }
}
