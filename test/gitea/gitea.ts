import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Program, ProgramEnded } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { runMark, tail } from '../../clusters/processes.ts';
import { go } from '../../clusters/toolchain/go/go.ts';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { eventually } from '../harness/waiting.ts';

const TOOLS = join(import.meta.dirname, 'tools');

/** Its API, pages and Actions; without scripts and styles, which its Go module does not contain. */
const GITEA_TOOL: ToolModule = {
  name: 'gitea',
  dir: TOOLS,
  upstream: 'code.gitea.io/gitea',
  package: 'code.gitea.io/gitea',
  programs: ['gitea'],
  linkerFlags: (version) => [`-X main.Version=${version.slice(1)}`],
};

/** Runs jobs on this machine instead of in containers. */
const RUNNER_TOOL: ToolModule = {
  name: 'gitea-runner',
  dir: TOOLS,
  upstream: 'code.gitea.io/actions-proto-go',
  package: '.',
  programs: ['gitea-runner'],
  sources: ['main.go'],
  tags: ['WITHOUT_DOCKER'],
};

/** The file of settings; the database is PostgreSQL, as Gitea's SQLite needs a C compiler. */
const settingsOf = (folder: string, port: number, database: URL, staticRoot: string): string => `
RUN_MODE = prod
RUN_USER = ${userInfo().username}
WORK_PATH = ${folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${port}
ROOT_URL = http://127.0.0.1:${port}/
STATIC_ROOT_PATH = ${staticRoot}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = postgres
HOST = ${database.host}
NAME = ${database.pathname.slice(1)}
USER = ${database.username}
PASSWD = ${database.password}
[security]
INSTALL_LOCK = true
SECRET_KEY = ${randomBytes(16).toString('hex')}
[actions]
DEFAULT_ACTIONS_URL = self
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
LEVEL = info
`;

/** Calls of one user. */
export class GiteaUser {
  readonly name: string;
  readonly password: string;
  readonly token: string;
  readonly #gitea: Gitea;

  constructor(gitea: Gitea, { name, password, token }: Pick<GiteaUser, 'name' | 'password' | 'token'>) {
    this.#gitea = gitea;
    this.name = name;
    this.password = password;
    this.token = token;
  }

  /** Address of a repository with the credentials of the user. @param repository `owner/name` */
  gitUrl(repository: string): string {
    const url = new URL(`${this.#gitea.url}/${repository}.git`);
    url.username = this.name;
    url.password = this.token;
    return url.href;
  }

  /**
   * Sends a request to the API. @param path below `/api/v1/` @returns the answer as it came
   *
   * @throws ProgramEnded with the end of Gitea's log when it is gone
   */
  async send(method: string, path: string, body?: object): Promise<Response> {
    const headers = { Authorization: `token ${this.token}`, 'Content-Type': 'application/json' };
    try {
      return await fetch(`${this.#gitea.url}/api/v1/${path}`, {
        ...{ method, headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      // Its connections close before its process has ended.
      await this.#gitea.answers();
      throw error;
    }
  }

  /** Sends a request to the API. @throws Error with the answer where it is refused */
  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.send(method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status}: ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

/** Lines of a log that show a panic of a Go program with its stack. */
const LOG_LINES = 60;

/** Starts a program of this test, whose output is in a file. */
const startLogged = async (
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  logFile: string,
): Promise<Pick<Program, 'stop' | 'assertRunning'>> => {
  const log = await open(logFile, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd], env: { ...env, ...runMark() } });
  const ended = once(child, 'exit');
  await log.close();
  return {
    stop: async () => {
      child.kill();
      await ended;
    },
    assertRunning: () => {
      const status = child.signalCode ?? child.exitCode;
      if (status !== null) throw new ProgramEnded(`${program} ended (${status}):\n${tail(logFile, LOG_LINES)}`);
    },
  };
};

/** A Gitea with its runner. */
export class Gitea {
  readonly url: string;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #programs: Readonly<Record<string, string>>;
  readonly #started: Pick<Program, 'stop' | 'assertRunning'>[] = [];

  private constructor(url: string, folder: string, programs: Readonly<Record<string, string>>) {
    this.url = url;
    this.#folder = folder;
    this.#programs = programs;
    this.#env = { PATH: process.env['PATH'], HOME: folder };
  }

  /** @param folder for its settings, repositories and logs @param database URL of an empty one */
  static async start(folder: string, database: string, signal: AbortSignal): Promise<Gitea> {
    const { env } = process;
    const programs = await ensureTools({ env, log: () => undefined, modules: [GITEA_TOOL, RUNNER_TOOL] }, signal);
    const module = await go({ dir: TOOLS, args: ['mod', 'download', '-json', GITEA_TOOL.upstream], env }, signal);
    const { Dir: staticRoot } = JSON.parse(module) as { Dir: string };
    const port = await freePort();
    await mkdir(folder, { recursive: true });
    const gitea = new Gitea(`http://127.0.0.1:${port}`, folder, programs);
    await writeFile(gitea.#settings, settingsOf(folder, port, new URL(database), staticRoot), { mode: 0o600 });
    await gitea.#command('migrate');
    gitea.#started.push(await startLogged(gitea.#program, ['web', '--config', gitea.#settings], gitea.#env, join(folder, 'gitea.log')));
    await gitea.answers();
    return gitea;
  }

  /** Waits until it answers. @throws ProgramEnded with the end of its log when it is gone */
  async answers(): Promise<void> {
    await eventually(async () => {
      for (const program of this.#started) program.assertRunning();
      return (await fetch(`${this.url}/api/healthz`)).ok;
    });
  }

  /** Makes a user with a token for everything. */
  async createUser(name: string, ...flags: readonly string[]): Promise<GiteaUser> {
    const password = randomBytes(16).toString('hex');
    const account = ['--username', name, '--password', password, '--email', `${name}@example.org`, '--must-change-password=false'];
    await this.#command('admin', 'user', 'create', ...account, ...flags);
    const scopes = ['--token-name', 'test', '--scopes', 'all', '--raw'];
    const printed = await this.#command('admin', 'user', 'generate-access-token', '--username', name, ...scopes);
    // Messages of the log may stand before it.
    const token = printed.trim().split('\n').at(-1) ?? '';
    return new GiteaUser(this, { name, password, token });
  }

  /** Starts what runs jobs. @param env of the jobs @returns the file of its log */
  async startRunner(admin: GiteaUser, env: Readonly<Record<string, string>>): Promise<string> {
    const { token } = await admin.call<{ token: string }>('POST', 'admin/actions/runners/registration-token');
    const [program, log] = [join(this.#programs[RUNNER_TOOL.name] ?? '', 'gitea-runner'), join(this.#folder, 'runner.log')];
    this.#started.unshift(await startLogged(program, [this.url, token, join(this.#folder, 'runner')], { ...this.#env, ...env }, log));
    return log;
  }

  async stop(): Promise<void> {
    for (const program of this.#started) await program.stop();
  }

  get #program(): string {
    return join(this.#programs[GITEA_TOOL.name] ?? '', 'gitea');
  }

  get #settings(): string {
    return join(this.#folder, 'app.ini');
  }

  /** Runs a command of Gitea's. @returns its standard output */
  async #command(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#program, ['--config', this.#settings, ...args], {
      env: { ...this.#env, ...runMark() },
    });
    return stdout;
  }
}
