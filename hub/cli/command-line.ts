import { Command } from 'commander';
import { EXIT } from './errors.ts';

interface Output {
  write(text: string): unknown;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
  /** Width of the terminal, if it is one. */
  readonly columns?: number;
}

/** Environment and streams of a command; `process` has them. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<unknown>;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Root of the commands: they find here what they read and write, and leave their exit code. */
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

/** Finds the root that a command belongs to. */
export const commandLineOf = (command: Command): CommandLine => {
  let root = command;
  while (root.parent !== null) root = root.parent;
  if (root instanceof CommandLine) return root;
  throw new Error(`${root.name()} is no command line`);
};
