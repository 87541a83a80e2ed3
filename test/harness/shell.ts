import { type ExecFileOptions, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { KUBECTL_TOOL, type ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

/** Root of the repository, in which the commands of its documentation run. */
const ROOT = join(import.meta.dirname, '..', '..');

/**
 * Returns a block of commands of a page, the one after the line `<!-- run by FILE as NAME -->`.
 * `test/docs.test.ts` finds blocks without such a line, and lines whose file does not call this.
 *
 * @param page path in the repository
 * @throws Error if the page has no block with that name
 */
export const documentedCommands = (page: string, name: string): string => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const [, indent = '', commands] = new RegExp(`^( *)<!-- run by \\S+ as ${name} -->\n *\`\`\`sh\n(.*?)^ *\`\`\``, 'ms').exec(text) ?? [];
  if (commands === undefined) throw new Error(`${page} has no commands "${name}"`);
  return commands.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
};

/** Shell functions for the programs of this repository, named as in an installation. */
const PROGRAMS = Object.entries({ fso: 'hub/cli/main.ts', 'fso-agent': 'agent/main.ts' })
  .map(([name, path]) => `${name}() { '${process.execPath}' '${join(ROOT, path)}' "$@"; }`)
  .join('\n');

/** Commands that run until they are stopped, as in a separate terminal. */
export interface Terminal {
  /** Output so far. */
  readonly output: string;
  stop(): Promise<void>;
}

export interface Typist {
  /** Default: none, for commands that use no cluster. */
  readonly kubeconfig?: string;
  /** Home folder. */
  readonly folder: string;
}

export interface ShellOptions {
  /** Tools besides kubectl. */
  readonly tools?: readonly ToolModule[];
  /** Default: the root of the repository. */
  readonly cwd?: string;
  /** Folder with programs that take precedence over others of the same name. */
  readonly programs?: string;
}

/** Runs commands as typed by a user, in a shell with kubectl, `fso` and `fso-agent`. */
export class Shell {
  readonly #options: ExecFileOptions;

  private constructor(options: ExecFileOptions) {
    this.#options = options;
  }

  /**
   * @param typist usually a cluster, whose administrator runs the commands
   * @param signal ends running commands
   */
  static async open(
    { kubeconfig, folder }: Typist,
    signal: AbortSignal,
    { tools = [], cwd = ROOT, programs }: ShellOptions = {},
  ): Promise<Shell> {
    const folders = await ensureTools({ env: process.env, log: () => undefined, modules: [KUBECTL_TOOL, ...tools] }, signal);
    const PATH = [programs, ...Object.values(folders), process.env['PATH']].filter((part) => part !== undefined).join(delimiter);
    const env = { PATH, HOME: folder, ...(kubeconfig !== undefined && { KUBECONFIG: kubeconfig }) };
    return new Shell({ env, cwd, signal, maxBuffer: 16 * 1024 ** 2 });
  }

  /**
   * @returns standard output
   * @throws Error with the output of the commands
   */
  async run(commands: string): Promise<string> {
    const script = `${PROGRAMS}\n${commands}`;
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { ...this.#options, encoding: 'utf8' });
    return stdout;
  }

  /** Starts commands that do not end by themselves. */
  start(commands: string): Terminal {
    const { env, cwd } = this.#options;
    // A separate process group ends together with the programs that the shell started.
    const child = spawn('bash', ['-euo', 'pipefail', '-c', `${PROGRAMS}\n${commands}`], {
      env,
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const terminal = {
      output: '',
      stop: async (): Promise<void> => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
        await ended;
      },
    };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        terminal.output += chunk.toString();
      });
    return terminal;
  }
}
