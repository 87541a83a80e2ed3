import { type ExecFileOptions, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { KUBECTL_TOOL, type ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

/** The repository, from which the commands of its documentation run. */
const ROOT = join(import.meta.dirname, '..', '..');

/**
 * A block of commands of a page, which `<!-- run by FILE as NAME -->` stands before.
 * `test/docs.test.ts` finds blocks that have no such line, and lines whose file does not call this.
 *
 * @param page its path in the repository
 * @throws Error where the page has no block of that name
 */
export const documentedCommands = (page: string, name: string): string => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const [, indent = '', commands] = new RegExp(`^( *)<!-- run by \\S+ as ${name} -->\n *\`\`\`sh\n(.*?)^ *\`\`\``, 'ms').exec(text) ?? [];
  if (commands === undefined) throw new Error(`${page} has no commands "${name}"`);
  return commands.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
};

/** The programs of this repository, as they are called where they are installed. */
const PROGRAMS = Object.entries({ fso: 'hub/cli/main.ts', 'fso-agent': 'agent/main.ts' })
  .map(([name, path]) => `${name}() { '${process.execPath}' '${join(ROOT, path)}' "$@"; }`)
  .join('\n');

/** Commands that run until they are stopped, as in a terminal of their own. */
export interface Terminal {
  /** Text that they have printed so far. */
  readonly output: string;
  stop(): Promise<void>;
}

export interface Typist {
  /** Default: none; the commands ask no cluster. */
  readonly kubeconfig?: string;
  /** The home. */
  readonly folder: string;
}

export interface ShellOptions {
  /** Tools beside kubectl. */
  readonly tools?: readonly ToolModule[];
  /** Default: the root of the repository. */
  readonly cwd?: string;
  /** Folder with programs that go before others of their name. */
  readonly programs?: string;
}

/** Runs commands as people type them, in a shell that has kubectl, `fso` and `fso-agent`. */
export class Shell {
  readonly #options: ExecFileOptions;

  private constructor(options: ExecFileOptions) {
    this.#options = options;
  }

  /**
   * @param typist mostly a cluster: its administrator types
   * @param signal ends what still runs
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
    // A group of their own: what the shell started ends with it.
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
