import { join } from 'node:path';
import { freePort, type Program, until } from '../../clusters/demo/programs.ts';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import { startVersion, type Version } from './versions.ts';

const API_TOKEN = 'api-token-0123456789';
/** For the first start of an agent. */
const ENROL_SECONDS = 3600;

interface Page {
  readonly items: readonly unknown[];
}

/** A hub with one data folder and one address, whose program changes. Its answers are read as JSON: it may be of either version. */
export class UpgradeHub {
  readonly url: string;
  readonly agentUrl: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #folder: string;
  #program: Program | undefined;
  #starts = 0;

  private constructor(folder: string, gitUrl: string, ports: readonly [number, number]) {
    const [apiPort, agentPort] = ports;
    this.url = `http://127.0.0.1:${apiPort}`;
    this.agentUrl = `wss://127.0.0.1:${agentPort}`;
    this.#folder = folder;
    this.#env = {
      FSO_GIT_URL: gitUrl,
      FSO_GIT_POLL_MS: '1000',
      FSO_LISTEN: `127.0.0.1:${apiPort}`,
      FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
      FSO_DATA_DIR: join(folder, 'data'),
      FSO_API_TOKEN: API_TOKEN,
    };
  }

  static async open(folder: string, gitUrl: string): Promise<UpgradeHub> {
    return new UpgradeHub(folder, gitUrl, [await freePort(), await freePort()]);
  }

  /** @throws Error with the end of the hub's log where it does not start */
  async start(version: Version, signal: AbortSignal): Promise<void> {
    const name = `the ${version.name} hub`;
    this.#starts += 1;
    // A log for each start: where a hub ends, its last lines are its own.
    const logFile = join(this.#folder, `hub-${this.#starts}.log`);
    this.#program = startVersion(version, { name, file: 'hub/main.ts', env: this.#env, logFile });
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

  /** Reads a list of the API: the first 500 of it, which is more than there is. */
  async list(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const answer = await fetch(`${this.url}/api/v1/${path}?limit=500`, { headers: { Authorization: `Bearer ${API_TOKEN}` }, signal });
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}: ${await answer.text()}`);
    return ((await answer.json()) as Page).items;
  }
}
