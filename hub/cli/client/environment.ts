import { homedir, hostname } from 'node:os';
import { join } from 'node:path';

/** Settings of the command from its environment. */
export interface CliEnvironment {
  readonly server: string | undefined;
  readonly token: string | undefined;
  /**
   * Static token of the hub in whose environment the command runs, such as its pod, or a file with
   * it.
   */
  readonly hubToken: { readonly text: string } | { readonly file: string } | undefined;
  /** Folder in which `fso login` stores tokens. */
  readonly configFolder: string;
  /** Whether colours are disabled (https://no-color.org): any non-empty value. */
  readonly noColor: boolean;
}

const hubTokenOf = (env: NodeJS.ProcessEnv): CliEnvironment['hubToken'] => {
  if (env['FSO_API_TOKEN']) return { text: env['FSO_API_TOKEN'] };
  return env['FSO_API_TOKEN_FILE'] ? { file: env['FSO_API_TOKEN_FILE'] } : undefined;
};

/** Reads the environment variables of `fso`. */
export const readEnvironment = (env: NodeJS.ProcessEnv): CliEnvironment => ({
  server: env['FSO_SERVER'] || undefined,
  token: env['FSO_TOKEN'] || undefined,
  hubToken: hubTokenOf(env),
  configFolder: join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'fso'),
  noColor: (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb',
});

/**
 * Name of the pod in which the command runs, which is its host name; undefined outside of
 * Kubernetes.
 */
export const podName = (env: NodeJS.ProcessEnv): string | undefined =>
  env['KUBERNETES_SERVICE_HOST'] === undefined ? undefined : hostname();

/**
 * Returns the environment of git, without the hub's settings, some of which are secrets.
 *
 * @param more additional variables
 */
export const gitEnvironment = (env: NodeJS.ProcessEnv, more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: env['PATH'],
  HOME: env['HOME'],
  XDG_CONFIG_HOME: env['XDG_CONFIG_HOME'],
  SSH_AUTH_SOCK: env['SSH_AUTH_SOCK'],
  ...more,
});
