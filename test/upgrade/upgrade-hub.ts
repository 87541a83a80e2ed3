import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, until } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import { runCommand, startVersion, type Version } from './versions.ts';

const API_TOKEN = 'api-token-0123456789';
/** Validity of the enrolment token for the first start of an agent, in seconds. */
const ENROL_SECONDS = 3600;

type Env = Readonly<Record<string, string>>;

interface Page {
  readonly items: readonly unknown[];
}

/**
 * A hub with one data folder and one address, whose program changes. Its answers are read as JSON:
 * it may be of either version.
 */
export class UpgradeHub {
  readonly url: string;
  readonly agentUrl: string;
  readonly #env: Env;
  readonly #folder: string;
  readonly #gitUrl: string;
  #program: Program | undefined;
  #starts = 0;

  private constructor(folder: string, gitUrl: string, { ports, env }: { ports: readonly [number, number]; env: Env }) {
    const [apiPort, agentPort] = ports;
    this.url = `http://127.0.0.1:${apiPort}`;
    this.agentUrl = `wss://127.0.0.1:${agentPort}`;
    this.#folder = folder;
    this.#gitUrl = gitUrl;
    this.#env = {
      FSO_GIT_URL: gitUrl,
      FSO_GIT_POLL_MS: '1000',
      FSO_LISTEN: `127.0.0.1:${apiPort}`,
      FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
      FSO_DATA_DIR: join(folder, 'data'),
      FSO_API_TOKEN: API_TOKEN,
      ...env,
    };
  }

  /** @param env more settings */
  static async open(folder: string, gitUrl: string, env: Env = {}): Promise<UpgradeHub> {
    return new UpgradeHub(folder, gitUrl, { ports: [await freePort(), await freePort()], env });
  }

  /** Process id of the hub that runs now. */
  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** Another hub at another address, with the keys of this one and without its ledger. */
  async withoutLedger(folder: string): Promise<UpgradeHub> {
    const ledger = join(this.#folder, 'data', 'ledger');
    await cp(join(this.#folder, 'data'), join(folder, 'data'), { recursive: true, filter: (path) => !path.startsWith(ledger) });
    return UpgradeHub.open(folder, this.#gitUrl);
  }

  /** @throws Error with the end of the hub's log where it does not start */
  async start(version: Version, signal: AbortSignal): Promise<void> {
    const name = `the ${version.name} hub`;
    this.#starts += 1;
    // A log for each start: where a hub ends, its last lines are its own.
    this.#program = startVersion(version, { name, file: 'hub/main.ts', env: this.#env, logFile: this.#logFile });
    const answers = async (): Promise<true | undefined> => {
      this.assertRunning();
      return (await fetch(`${this.url}/readyz`)).ok || undefined;
    };
    await until(`${name} is ready`, answers, signal);
  }

  async stop(): Promise<void> {
    await this.#program?.stop();
    this.#program = undefined;
  }

  assertRunning(): void {
    this.#program?.assertRunning();
  }

  async enrolmentToken(cluster: string, signal: AbortSignal): Promise<string> {
    const { token } = await createHubClient({ server: this.url, token: API_TOKEN }).createEnrolmentToken(cluster, ENROL_SECONDS, signal);
    return token;
  }

  get #logFile(): string {
    return join(this.#folder, `hub-${this.#starts}.log`);
  }

  /**
   * Clusters whose agents the hub has refused since its start because of the version of the
   * protocol that they speak.
   */
  async refused(): Promise<ReadonlySet<string>> {
    const lines = (await readFile(this.#logFile, 'utf8')).split('\n').filter((line) => line.includes('hello refused'));
    return new Set(lines.flatMap((line) => /"cluster":"([^"]+)".*speaks protocol/.exec(line)?.[1] ?? []));
  }

  /**
   * Runs an `fso` command of a version on the hub, or where it is stopped on its ledger. @throws
   * Error with what it says where it fails
   */
  async command(version: Version, args: readonly string[]): Promise<string> {
    const { code, text } = await runCommand(version, args, { ...this.#env, FSO_SERVER: this.url, FSO_TOKEN: API_TOKEN });
    if (code !== 0) throw new Error(`fso ${args.join(' ')} of the ${version.name} version: exit code ${code}: ${text}`);
    return text;
  }

  /** Reads an answer of the API. */
  async read(path: string, signal: AbortSignal): Promise<unknown> {
    const answer = await fetch(`${this.url}/api/v1/${path}`, { headers: { Authorization: `Bearer ${API_TOKEN}` }, signal });
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}: ${await answer.text()}`);
    return await answer.json();
  }

  /** Reads a list of the API: the first 500 of it, which is more than there is. */
  async list(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    return ((await this.read(`${path}?limit=500`, signal)) as Page).items;
  }
}
