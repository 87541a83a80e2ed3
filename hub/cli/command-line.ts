import { Command } from 'commander';
import { EXIT } from './errors.ts';

interface Output {
  write(text: string): unknown;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
  /** Width of the terminal; undefined: it is none. */
  readonly columns?: number;
}

/** Environment and streams of a command. `process` implements it. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<unknown>;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Root of all commands, which holds their streams and receives their exit code. */
export class CommandLine extends Command {
  readonly io: Io;
  exitCode: number = EXIT.ok;

  constructor(io: Io) {
    super('fso');
    this.io = io;
    this.exitOverride().configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
    });
  }
}

/** Returns the root of a command. */
export const commandLineOf = (command: Command): CommandLine => {
  let root = command;
  while (root.parent !== null) root = root.parent;
  if (root instanceof CommandLine) return root;
  throw new Error(`${root.name()} is no command line`);
};
