/** Exit codes of `fso`. */
export const EXIT = {
  ok: 0,
  /** A negative result: invalid, not found, timed out. */
  negative: 1,
  /** Failure without a result: a usage, connection or access error, or an unreadable folder. */
  error: 2,
} as const;

/** Ends the command with a message and no stack. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.error) {
    super(message);
    this.exitCode = exitCode;
  }
}
