import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Settings of the command from its environment. This is the only file of the `fso` command that
 * reads it.
 */
export interface CliEnvironment {
  readonly server: string | undefined;
  readonly token: string | undefined;
  /** Folder in which `fso login` keeps its tokens. */
  readonly configFolder: string;
  /** https://no-color.org: any value but the empty one. */
  readonly noColor: boolean;
}

export const readEnvironment = (env: NodeJS.ProcessEnv = process.env): CliEnvironment => ({
  server: env['FSO_SERVER'] || undefined,
  token: env['FSO_TOKEN'] || undefined,
  configFolder: join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'fso'),
  noColor: (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb',
});

/** The hub's own settings, for commands that work on its database without it. */
export const hubEnvironment = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => env;
