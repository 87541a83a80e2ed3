import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '@fso/hub/client';
import { createKubeClient, type KubeClient } from '@fso/shared/kube';
import { downFleet, type FleetCluster, knownClusters, readDefinition, upFleet } from '../fleet/index.ts';
import { freePort } from '../local/ports.ts';
import { writeAgentKubeconfig } from './agent-identity.ts';
import { type GitRepository, makeSigningKey, openGitRepository, type SigningKey } from './git-repository.ts';
import { type GitServer, startGitServer } from './git-server.ts';
import { type Program, startProgram, until } from './programs.ts';

/** Timeout of requests to the API servers, long enough for a busy machine. */
const KUBE_TIMEOUT_MS = 120_000;

const projectRoot = join(import.meta.dirname, '..', '..');
const REPOSITORY = 'policies.git';
const ENROL_SECONDS = 600;
/** File that marks a fleet as started by a demo. */
const FLEET_MARK = 'fleet-of-the-demo';

/** Folders and log of the demo. */
export interface WorldOptions {
  /**
   * Folder of the state: `<stateDir>/clusters` for the clusters, `<stateDir>/demo` for the rest of
   * the demo.
   */
  readonly stateDir: string;
  readonly log: (line: string) => void;
  /** Prints progress that is rewritten; absent if the output is no terminal. */
  readonly status?: (line: string) => void;
  /** Additional settings of hub and agents. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Running cluster of the demo, with a client. */
export interface DemoCluster extends FleetCluster {
  readonly kubeconfig: string;
  readonly kube: KubeClient;
}

/**
 * Returns the initial files of the repository: the registrations of the fleet, and the sample
 * policies and region groups.
 */
export async function initialFiles(clusters: readonly FleetCluster[]): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const { name, dir } of clusters) files[`clusters/${name}.yaml`] = await readFile(join(dir, 'cluster.yaml'), 'utf8');
  const samples = join(import.meta.dirname, '..', 'samples');
  for (const folder of ['policies', 'regions']) {
    for (const file of await readdir(join(samples, folder))) {
      files[`${folder}/${file}`] = await readFile(join(samples, folder, file), 'utf8');
    }
  }
  return files;
}

const secret = (): string => randomBytes(32).toString('base64url');

/**
 * Sends a push webhook as GitHub does. If it is lost, the hub finds the commit a moment later at
 * its next poll.
 */
function sendWebhook(hubUrl: string, webhookSecret: string): void {
  const body = JSON.stringify({ ref: 'refs/heads/main' });
  const signature = createHmac('sha256', webhookSecret).update(body).digest('hex');
  fetch(`${hubUrl}/api/v1/webhooks/git`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${signature}` },
    body,
  }).catch(() => undefined);
}

const required = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`${what} is not started`);
  return value;
};

/** Settings that are determined before anything starts. */
interface WorldSetup {
  readonly folder: string;
  readonly apiPort: number;
  readonly agentPort: number;
  readonly signingKey: SigningKey | undefined;
  /** Whether this demo ends the fleet. */
  readonly ownsFleet: boolean;
}

/** Parts of the demo. Each is started by a step. */
export class World {
  readonly clusters: DemoCluster[] = [];
  readonly hub: HubClient;
  readonly hubUrl: string;
  readonly apiToken: string = secret();
  readonly #options: WorldOptions;
  readonly #setup: WorldSetup;
  readonly #definition = readDefinition(join(import.meta.dirname, '..'));
  readonly #webhookSecret = secret();
  /** Enrolment tokens by cluster. Each is used once. */
  readonly #enrolTokens = new Map<string, string>();
  readonly #programs = new Map<string, Program>();
  /** Ports by cluster. A restarted agent keeps its port. */
  readonly #agentPorts = new Map<string, number>();
  #ownsFleet: boolean;
  #git: GitServer | undefined;
  #repository: GitRepository | undefined;

  private constructor(options: WorldOptions, setup: WorldSetup) {
    this.#options = options;
    this.#setup = setup;
    this.#ownsFleet = setup.ownsFleet;
    this.hubUrl = `http://127.0.0.1:${setup.apiPort}`;
    this.hub = createHubClient({ server: this.hubUrl, token: this.apiToken });
  }

  static async open(options: WorldOptions): Promise<World> {
    const { stateDir, log } = options;
    const folder = join(stateDir, 'demo');
    // This demo ends the fleet if there was none, or if a killed demo left it.
    const ownsFleet = existsSync(join(folder, FLEET_MARK)) || knownClusters(stateDir).length === 0;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const [apiPort, agentPort] = [await freePort(), await freePort()];
    const signingKey = await makeSigningKey(join(folder, 'signing'));
    if (signingKey === undefined)
      log('ssh-keygen is not installed: the commits of this demo are not signed, and hub and agents do not verify them');
    return new World(options, { folder, apiPort, agentPort, signingKey, ownsFleet });
  }

  /** Whether commits are signed, and hub and agents refuse unsigned ones. */
  get signed(): boolean {
    return this.#setup.signingKey !== undefined;
  }

  get repository(): GitRepository {
    return required(this.#repository, 'the repository');
  }

  get gitUrl(): string {
    return required(this.#git, 'the Git server').url(REPOSITORY);
  }

  async startFleet(signal: AbortSignal): Promise<void> {
    const { stateDir, log, status } = this.#options;
    const options = { clusters: this.#definition, provider: 'auto', stateDir, gatekeeper: true, gatekeeperAuditSeconds: 10 } as const;
    if (this.#ownsFleet) await writeFile(this.#fleetMark, '');
    const up = await upFleet({ ...options, env: process.env, log, ...(status && { status }) }, signal);
    this.#ownsFleet ||= up.some(({ started }) => started);
    for (const cluster of this.#definition) {
      const { kubeconfig } = required(
        up.find(({ name }) => name === cluster.name),
        cluster.name,
      );
      const kube = createKubeClient({ kubeconfig, userAgent: 'fso-demo', timeoutMs: KUBE_TIMEOUT_MS });
      this.clusters.push({ ...cluster, kubeconfig, kube });
    }
  }

  async startGit(): Promise<void> {
    const { folder, signingKey } = this.#setup;
    const git = await startGitServer({ root: join(folder, 'git'), onPush: () => sendWebhook(this.hubUrl, this.#webhookSecret) });
    this.#git = git;
    await git.create(REPOSITORY);
    this.#repository = await openGitRepository(join(folder, 'working-copy'), git.url(REPOSITORY), signingKey);
    await this.#repository.commit(await initialFiles(this.#definition), 'Register the clusters and govern them');
  }

  async startHub(): Promise<void> {
    const { folder, apiPort, agentPort } = this.#setup;
    this.#start('hub', [join(projectRoot, 'hub/cli/main.ts'), 'serve'], {
      FSO_GIT_URL: this.gitUrl,
      FSO_LISTEN: `127.0.0.1:${apiPort}`,
      FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
      FSO_API_TOKEN: this.apiToken,
      FSO_WEBHOOK_SECRET: this.#webhookSecret,
      FSO_DATA_DIR: join(folder, 'hub'),
    });
  }

  async stopHub(): Promise<void> {
    await this.#stop('hub');
  }

  async startAgents(): Promise<void> {
    const { folder, agentPort } = this.#setup;
    for (const { name, kubeconfig } of this.clusters) {
      const agentKubeconfig = join(folder, `agent-${name}.kubeconfig`);
      await writeAgentKubeconfig(kubeconfig, agentKubeconfig);
      const port = this.#agentPorts.get(name) ?? (await freePort());
      this.#agentPorts.set(name, port);
      this.#start(`agent-${name}`, [join(projectRoot, 'agent/main.ts')], {
        FSO_CLUSTER: name,
        KUBECONFIG: agentKubeconfig,
        FSO_HUB_URL: `wss://127.0.0.1:${agentPort}`,
        FSO_ENROLL_TOKEN: await this.#enrolTokenOf(name),
        FSO_LISTEN: `127.0.0.1:${port}`,
      });
    }
  }

  /** Process ids of the running programs: the hub, and the agent of each cluster. */
  pids(): { readonly hub: readonly number[]; readonly agent: readonly number[] } {
    const pidsOf = (names: readonly string[]) => names.flatMap((name) => this.#programs.get(name)?.pid ?? []);
    return { hub: pidsOf(['hub']), agent: pidsOf(this.clusters.map(({ name }) => `agent-${name}`)) };
  }

  /** Base URLs of the listeners of all agents started so far. */
  agentUrls(): readonly string[] {
    return [...this.#agentPorts.values()].map((port) => `http://127.0.0.1:${port}`);
  }

  /** Kills the agents, as a crash would. */
  async killAgents(): Promise<void> {
    await Promise.all(this.clusters.map(({ name }) => this.#stop(`agent-${name}`, 'SIGKILL')));
  }

  /** @throws Error if one of the programs has ended */
  assertRunning(): void {
    for (const program of this.#programs.values()) program.assertRunning();
  }

  async stop(): Promise<void> {
    const { stateDir, log } = this.#options;
    await Promise.all([...this.#programs.keys()].map((name) => this.#stop(name)));
    await this.#git?.stop();
    await Promise.all(this.clusters.map(({ kube }) => kube.close()));
    // A fleet that the demo did not start keeps running.
    if (!this.#ownsFleet) return;
    await downFleet({ stateDir, env: process.env, log }, new AbortController().signal);
    await rm(this.#fleetMark, { force: true });
  }

  get #fleetMark(): string {
    return join(this.#setup.folder, FLEET_MARK);
  }

  #start(name: string, command: string[], settings: Record<string, string>): void {
    const { folder, signingKey } = this.#setup;
    /** Hub and agents refuse commits that this key did not sign. */
    const trust: Record<string, string> = signingKey === undefined ? {} : { FSO_SIGNERS_FILE: signingKey.allowedSigners };
    const env = { ...settings, ...trust, ...this.#options.env };
    this.#programs.set(name, startProgram({ name, command, env, logFile: join(folder, 'logs', `${name}.log`) }));
  }

  async #stop(name: string, signal?: NodeJS.Signals): Promise<void> {
    await this.#programs.get(name)?.stop(signal);
    this.#programs.delete(name);
  }

  /** Returns the enrolment token of a cluster. Waits for the hub, which may still be starting. */
  async #enrolTokenOf(cluster: string): Promise<string> {
    const known = this.#enrolTokens.get(cluster);
    if (known !== undefined) return known;
    const { signal } = new AbortController();
    const make = () => {
      this.assertRunning();
      return this.hub.createEnrolmentToken(cluster, ENROL_SECONDS, signal);
    };
    const { token } = await until('the hub makes an enrolment token', make, signal);
    this.#enrolTokens.set(cluster, token);
    return token;
  }
}
