import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type KubeObject, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, type KindDescriptor, type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { expect } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { type UninstallOptions, uninstall } from '../../agent/uninstall/index.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { ClusterHarness } from './cluster-harness.ts';
import { openKubeClient } from './kube-client.ts';
import { Shell } from './shell.ts';
import { HELM_TOOL } from './tools.ts';
import { UninstallView } from './uninstall-view.ts';
import { eventually, never } from './waiting.ts';

/** Path of the program of the agent. */
export const AGENT_PROGRAM: string = join(import.meta.dirname, '..', '..', 'agent', 'main.ts');

/** Namespace that the local policy governs. */
export const GOVERNED = 'finance';

/** Local policy. */
export const OWN = { namespace: GOVERNED, name: 'own' };

/** User who removes enforcement. The name appears in reports. */
export const ADMIN = 'administrator';

/** Removal of enforcement. */
export interface UninstallRun {
  /** Client of the removal; default: the administrator's. */
  readonly client?: KubeClient;
  readonly options?: Partial<UninstallOptions>;
  readonly abort?: AbortSignal;
  readonly onLine?: (line: string) => void;
}

/**
 * Cluster from which enforcement is removed. Its agent has, or had, the rights of
 * deploy/agent/rbac.yaml.
 */
export class UninstallHarness {
  readonly world: ClusterHarness;
  readonly admin: KubeClient;
  readonly view: UninstallView;
  /** Shell of the administrator, with Helm. */
  readonly shell: Shell;
  readonly agentKubeconfig: string;
  readonly #clients: KubeClient[];
  readonly #signal: AbortSignal;

  private constructor(world: ClusterHarness, admin: KubeClient, shell: Shell, signal: AbortSignal) {
    this.world = world;
    this.admin = admin;
    this.view = new UninstallView(admin);
    this.shell = shell;
    this.agentKubeconfig = join(world.folder, 'agent.kubeconfig');
    this.#clients = [admin];
    this.#signal = signal;
  }

  static async start(name: string, signal: AbortSignal): Promise<UninstallHarness> {
    const world = await ClusterHarness.start({ name, gatekeeper: true }, signal);
    const kubeconfig = await world.cluster.createUserKubeconfig(ADMIN, ['system:masters']);
    const shell = await Shell.open({ kubeconfig, folder: world.folder }, signal, { tools: [HELM_TOOL] });
    return new UninstallHarness(world, openKubeClient({ kubeconfig }), shell, signal);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.world.close();
  }

  /** Opens a client with the rights of a user. */
  async as(user: string): Promise<KubeClient> {
    return this.#open(await this.world.cluster.createUserKubeconfig(user, []));
  }

  /** Opens a client with the rights of the agent. */
  asAgent(): KubeClient {
    return this.#open(this.agentKubeconfig);
  }

  #open(kubeconfig: string): KubeClient {
    const client = openKubeClient({ kubeconfig });
    this.#clients.push(client);
    return client;
  }

  /** Starts an agent that enforces a local policy on the policy's own namespace. */
  async install(changes: Parameters<ClusterHarness['startAgent']>[1] = {}): Promise<RunningAgent> {
    const { world, admin, agentKubeconfig } = this;
    await eventually(() => writeAgentKubeconfig(world.kubeconfig, agentKubeconfig).then(() => true));
    const agent = await world.startAgent('installed', { kubeconfig: agentKubeconfig, ...changes });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await eventually(() => world.makeNamespace(GOVERNED).then(() => true));
    const spec = { targetNamespace: GOVERNED, allowedRegions: ['eu-west-1'] };
    const policy = { metadata: OWN, spec } as unknown as KubeObject;
    const options = { fieldManager: 'test', force: true };
    await eventually(() => admin.apply(SOVEREIGN_POLICY_KIND as KindDescriptor, policy, options, this.#signal));
    await eventually(async () => (await this.ownPolicy())?.status?.phase === 'Active');
    await eventually(async () => (await admin.list(GEO_RESIDENCY_KIND, {}, this.#signal)).length > 1);
    await eventually(() => this.isRefused());
    return agent;
  }

  ownPolicy(): Promise<SovereignPolicy | undefined> {
    return this.admin.get(SOVEREIGN_POLICY_KIND, OWN, this.#signal);
  }

  /** Checks whether the guard still refuses to delete the namespace of the system. */
  async isRefused(): Promise<boolean> {
    return (await this.world.tryDelete(this.admin, NAMESPACE_KIND, SYSTEM_NAMESPACE)).includes('run "fso-agent uninstall"');
  }

  /** Removes enforcement. @returns the printed lines */
  async run({ client = this.admin, options, abort = never, onLine }: UninstallRun = {}): Promise<readonly string[]> {
    const lines: string[] = [];
    const print = (line: string): void => {
      lines.push(line);
      onLine?.(line);
    };
    const io = { client, clock: systemClock, print, confirm: () => Promise.resolve(true) };
    await uninstall({ dryRun: false, waitMs: 0, ...options }, io, abort);
    return lines;
  }

  async expectRemoved(): Promise<void> {
    expect(await this.view.enforcing()).toEqual([]);
    expect(await this.view.held()).toEqual([]);
  }

  /** Runs `fso-agent verify` with the rights of the agent. @returns the exit status */
  verify(): Promise<number> {
    const env = { PATH: process.env['PATH'], KUBECONFIG: this.agentKubeconfig };
    return promisify(execFile)(process.execPath, [AGENT_PROGRAM, 'verify'], { env }).then(
      () => 0,
      ({ code }: { code: number }) => code,
    );
  }
}
