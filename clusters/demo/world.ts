import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '@fso/hub/client';
import { createKubeClient, type KubeClient } from '@fso/shared/kube';
import { downFleet, type FleetCluster, knownClusters, readDefinition, upFleet } from '../fleet/index.ts';
import { writeAgentKubeconfig } from './agent-identity.ts';
import { type GitRepository, makeSigningKey, openGitRepository } from './git-repository.ts';
import { type GitServer, startGitServer } from './git-server.ts';
import { freePort, type Program, startProgram, until } from './programs.ts';

/** Of requests to the API servers: a busy machine may take its time. */
const KUBE_TIMEOUT_MS = 120_000;

const projectRoot = join(import.meta.dirname, '..', '..');
const REPOSITORY = 'policies.git';
const ENROL_SECONDS = 600;
/** Says that a demo started the fleet. */
const FLEET_MARK = 'fleet-of-the-demo';

export interface WorldOptions {
  /** Clusters live in `<stateDir>/clusters`, everything else of the demo in `<stateDir>/demo`. */
  readonly stateDir: string;
  readonly log: (line: string) => void;
  /** Progress that is rewritten; absent where output is no terminal. */
  readonly status?: (line: string) => void;
  /** More settings of hub and agents. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface DemoCluster extends FleetCluster {
  readonly kubeconfig: string;
  readonly kube: KubeClient;
}

/** The parts of the demo, each started by its own step. */
export interface World {
  readonly clusters: readonly DemoCluster[];
  readonly repository: GitRepository;
  readonly gitUrl: string;
  /** Whether commits are signed, and hub and agents refuse others. */
  readonly signed: boolean;
  readonly hub: HubClient;
  readonly hubUrl: string;
  readonly apiToken: string;
  startFleet(signal: AbortSignal): Promise<void>;
  startGit(): Promise<void>;
  startHub(): Promise<void>;
  stopHub(): Promise<void>;
  startAgents(): Promise<void>;
  /** Process ids of what runs now: the hub, and the agent of each cluster. */
  pids(): { readonly hub: readonly number[]; readonly agent: readonly number[] };
  /** Base URLs of the agents' listeners, once they were started. */
  agentUrls(): readonly string[];
  /** As a crash would end them. */
  killAgents(): Promise<void>;
  /** Throws when one of the programs is gone. */
  assertRunning(): void;
  stop(): Promise<void>;
}

/** What the repository holds at first: the registrations of the fleet, and the sample policies and region groups. */
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

interface Secrets {
  readonly apiToken: string;
  readonly webhookSecret: string;
}

/** A push webhook as GitHub sends it. The hub hears of the commit a moment later at its next poll when it is lost. */
function sendWebhook(hubUrl: string, webhookSecret: string): void {
  const body = JSON.stringify({ ref: 'refs/heads/main' });
  const signature = createHmac('sha256', webhookSecret).update(body).digest('hex');
  fetch(`${hubUrl}/api/v1/webhooks/git`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${signature}` },
    body,
  }).catch(() => undefined);
}

export async function createWorld({ stateDir, log, status, env = {} }: WorldOptions): Promise<World> {
  const folder = join(stateDir, 'demo');
  const fleetMark = join(folder, FLEET_MARK);
  // A demo that was killed left its fleet: no fleet, or that one, is this demo's to end.
  let ownsFleet = existsSync(fleetMark) || knownClusters(stateDir).length === 0;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const definition = readDefinition(join(import.meta.dirname, '..'));
  const [apiPort, agentPort] = [await freePort(), await freePort()];
  const hubUrl = `http://127.0.0.1:${apiPort}`;
  const secrets: Secrets = { apiToken: secret(), webhookSecret: secret() };
  const hub = createHubClient({ server: hubUrl, token: secrets.apiToken });
  /** By cluster; spent once its agent has enrolled. */
  const enrolTokens = new Map<string, string>();
  const signingKey = await makeSigningKey(join(folder, 'signing'));
  if (signingKey === undefined)
    log('ssh-keygen is not installed: the commits of this demo are not signed, and hub and agents do not verify them');
  /** Hub and agents refuse what this key did not sign. */
  const trust: Record<string, string> = signingKey === undefined ? {} : { FSO_SIGNERS_FILE: signingKey.allowedSigners };

  const clusters: DemoCluster[] = [];
  const programs = new Map<string, Program>();
  /** By cluster; an agent that starts again has the same. */
  const agentPorts = new Map<string, number>();
  let git: GitServer | undefined;
  let repository: GitRepository | undefined;

  const required = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`${what} is not started`);
    return value;
  };
  const start = (name: string, command: string[], env: Record<string, string>): void => {
    programs.set(name, startProgram({ name, command, env, logFile: join(folder, 'logs', `${name}.log`) }));
  };
  const stop = async (name: string, signal?: NodeJS.Signals): Promise<void> => {
    await programs.get(name)?.stop(signal);
    programs.delete(name);
  };

  const assertRunning = (): void => {
    for (const program of programs.values()) program.assertRunning();
  };

  /** The hub may still be starting. */
  const enrolTokenOf = async (cluster: string): Promise<string> => {
    const known = enrolTokens.get(cluster);
    if (known !== undefined) return known;
    const { signal } = new AbortController();
    const make = () => {
      assertRunning();
      return hub.createEnrolmentToken(cluster, ENROL_SECONDS, signal);
    };
    const { token } = await until('the hub makes an enrolment token', make, signal);
    enrolTokens.set(cluster, token);
    return token;
  };

  return {
    clusters,
    hubUrl,
    apiToken: secrets.apiToken,
    signed: signingKey !== undefined,
    hub,
    get repository() {
      return required(repository, 'the repository');
    },
    get gitUrl() {
      return required(git, 'the Git server').url(REPOSITORY);
    },
    startFleet: async (signal) => {
      const options = { clusters: definition, provider: 'auto', stateDir, gatekeeper: true, gatekeeperAuditSeconds: 10 } as const;
      if (ownsFleet) await writeFile(fleetMark, '');
      const up = await upFleet({ ...options, env: process.env, log, ...(status && { status }) }, signal);
      ownsFleet ||= up.some(({ started }) => started);
      for (const cluster of definition) {
        const { kubeconfig } = required(
          up.find(({ name }) => name === cluster.name),
          cluster.name,
        );
        clusters.push({
          ...cluster,
          kubeconfig,
          kube: createKubeClient({ kubeconfig, userAgent: 'fso-demo', timeoutMs: KUBE_TIMEOUT_MS }),
        });
      }
    },
    startGit: async () => {
      git = await startGitServer({ root: join(folder, 'git'), onPush: () => sendWebhook(hubUrl, secrets.webhookSecret) });
      await git.create(REPOSITORY);
      repository = await openGitRepository(join(folder, 'working-copy'), git.url(REPOSITORY), signingKey);
      await repository.commit(await initialFiles(definition), 'Register the clusters and govern them');
    },
    startHub: async () => {
      start('hub', [join(projectRoot, 'hub/cli/main.ts'), 'serve'], {
        FSO_GIT_URL: required(git, 'the Git server').url(REPOSITORY),
        FSO_LISTEN: `127.0.0.1:${apiPort}`,
        FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
        FSO_API_TOKEN: secrets.apiToken,
        FSO_WEBHOOK_SECRET: secrets.webhookSecret,
        FSO_DATA_DIR: join(folder, 'hub'),
        ...trust,
        ...env,
      });
    },
    stopHub: () => stop('hub'),
    startAgents: async () => {
      for (const { name, kubeconfig } of clusters) {
        const agentKubeconfig = join(folder, `agent-${name}.kubeconfig`);
        await writeAgentKubeconfig(kubeconfig, agentKubeconfig);
        const port = agentPorts.get(name) ?? (await freePort());
        agentPorts.set(name, port);
        start(`agent-${name}`, [join(projectRoot, 'agent/main.ts')], {
          FSO_CLUSTER: name,
          KUBECONFIG: agentKubeconfig,
          FSO_HUB_URL: `wss://127.0.0.1:${agentPort}`,
          FSO_ENROLL_TOKEN: await enrolTokenOf(name),
          FSO_LISTEN: `127.0.0.1:${port}`,
          ...trust,
          ...env,
        });
      }
    },
    pids: () => {
      const pidsOf = (names: readonly string[]) => names.flatMap((name) => programs.get(name)?.pid ?? []);
      return { hub: pidsOf(['hub']), agent: pidsOf(clusters.map(({ name }) => `agent-${name}`)) };
    },
    agentUrls: () => [...agentPorts.values()].map((port) => `http://127.0.0.1:${port}`),
    killAgents: async () => {
      await Promise.all(clusters.map(({ name }) => stop(`agent-${name}`, 'SIGKILL')));
    },
    assertRunning,
    stop: async () => {
      await Promise.all([...programs.keys()].map((name) => stop(name)));
      await git?.stop();
      await Promise.all(clusters.map(({ kube }) => kube.close()));
      // A fleet that ran before stays: the demo did not start it.
      if (!ownsFleet) return;
      await downFleet({ stateDir, env: process.env, log }, new AbortController().signal);
      await rm(fleetMark, { force: true });
    },
  };
}
