import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, startProgram, until } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { tail } from '../../clusters/processes.ts';

/** Hub in a separate process, which can be killed and restarted with the files that it left. */
export interface HubProcess {
  readonly url: string;
  readonly agentUrl: string;
  /** Process id; undefined while it does not run. */
  readonly pid: number | undefined;
  /** Resolves once both listeners respond. */
  start(): Promise<void>;
  /** @throws ProgramEnded with the end of the log if it has ended by itself */
  assertRunning(): void;
  /** kill -9 */
  kill(): Promise<void>;
  /** SIGTERM */
  stop(): Promise<void>;
  /** Whether a message is in its log, which all its runs share. */
  logged(message: string): boolean;
  /** The last lines of its log. */
  lastLines(): string;
}

export interface HubProcessOptions {
  readonly name: string;
  /** Folder for its data, settings and log. */
  readonly folder: string;
  readonly gitUrl: string;
  /** Tokens by cluster. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly env?: Readonly<Record<string, string>>;
  /** Port of the API; default: a free one. */
  readonly port?: number | undefined;
  /** Path of a .ts file, and its arguments; default: `hub/main.ts`. */
  readonly command?: readonly string[];
}

const MAIN = join(import.meta.dirname, '../../hub/main.ts');

export const createHubProcess = async (options: HubProcessOptions): Promise<HubProcess> => {
  const { name, folder, gitUrl, tokens, env = {}, port, command = [MAIN] } = options;
  await mkdir(folder, { recursive: true });
  const tokensFile = join(folder, 'tokens.json');
  await writeFile(tokensFile, JSON.stringify(Object.fromEntries(tokens)), { mode: 0o600 });
  const [apiPort, agentPort] = [port ?? (await freePort()), await freePort()];
  const url = `http://127.0.0.1:${apiPort}`;
  const logFile = join(folder, `${name}.log`);
  const settings = {
    FSO_GIT_URL: gitUrl,
    FSO_AGENT_TOKENS_FILE: tokensFile,
    FSO_LISTEN: `127.0.0.1:${apiPort}`,
    FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
    FSO_DATA_DIR: join(folder, 'data'),
    FSO_AGENT_TLS: 'off',
    ...env,
  };
  let program: Program | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    await program?.stop(signal);
    program = undefined;
  };
  return {
    url,
    agentUrl: `${settings.FSO_AGENT_TLS === 'off' ? 'ws' : 'wss'}://127.0.0.1:${agentPort}`,
    get pid() {
      return program?.pid;
    },
    start: async () => {
      program = startProgram({ name, command, env: settings, logFile });
      const running = program;
      const answers = async (): Promise<true | undefined> => {
        running.assertRunning();
        const response = await fetch(`${url}/healthz`);
        return response.ok || undefined;
      };
      await until(`${name} answers`, answers, new AbortController().signal);
    },
    assertRunning: () => program?.assertRunning(),
    kill: () => stop('SIGKILL'),
    stop: () => stop('SIGTERM'),
    lastLines: () => tail(logFile, 8),
    logged: (message) => readFileSync(logFile, 'utf8').includes(`"msg":"${message}"`),
  };
};
