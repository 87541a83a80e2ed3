export const EXIT = {
  ok: 0,
  /** The answer is no: invalid files, nothing found, not reached in time. */
  no: 1,
  /** The question could not be asked: wrong usage, no hub, no access, an unreadable folder. */
  usage: 2,
} as const;

/** Ends the command with a message and no stack. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}
