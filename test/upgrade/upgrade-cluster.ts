import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_LEASE, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type KubeClient, LEASE_KIND, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { type Program, until } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { differencesOf } from './differences.ts';
import { type ManagedObjects, readManagedObjects } from './managed-objects.ts';
import { startVersion, type Version } from './versions.ts';

/** Time without a change after which the objects count as settled, in ms. */
const SETTLE_MS = 2000;

/** A cluster with an agent whose program changes. */
export class UpgradeCluster {
  readonly name: string;
  readonly client: KubeClient;
  readonly #cluster: LocalCluster;
  readonly #folder: string;
  #agent: { readonly program: Program; readonly identity: string } | undefined;
  #starts = 0;

  private constructor(cluster: LocalCluster, folder: string) {
    this.name = cluster.name;
    this.client = openKubeClient({ kubeconfig: cluster.kubeconfig });
    this.#cluster = cluster;
    this.#folder = folder;
  }

  static async start(
    { name, folder, regions }: { name: string; folder: string; regions: readonly string[] },
    signal: AbortSignal,
  ): Promise<UpgradeCluster> {
    return new UpgradeCluster(await startTestCluster({ name, stateDir: folder, regions, gatekeeper: true }, signal), folder);
  }

  async makeNamespaces(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) await this.client.apply(NAMESPACE_KIND, { metadata: { name } }, { fieldManager: 'test' }, signal);
  }

  /**
   * Gives the agent the rights of its version and starts it; returns once it leads. @param env the
   * settings of its hub
   */
  async startAgent(version: Version, env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const kubeconfig = join(this.#folder, `agent-${this.name}.kubeconfig`);
    await writeAgentKubeconfig(this.#cluster.kubeconfig, kubeconfig, join(version.root, 'deploy', 'agent', 'rbac.yaml'));
    this.#starts += 1;
    const identity = `${version.name}-agent-${this.#starts}`;
    const program = startVersion(version, {
      name: `the ${version.name} agent of ${this.name}`,
      file: 'agent/main.ts',
      env: {
        FSO_CLUSTER: this.name,
        KUBECONFIG: kubeconfig,
        FSO_LISTEN: `127.0.0.1:${await freePort()}`,
        FSO_IDENTITY: identity,
        ...env,
      },
      logFile: join(this.#folder, `agent-${this.name}-${this.#starts}.log`),
    });
    this.#agent = { program, identity };
    const leads = async (): Promise<true | undefined> => {
      this.assertRunning();
      const lease = await this.client.get(LEASE_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_LEASE }, signal);
      return lease?.spec?.holderIdentity === identity || undefined;
    };
    await until(`${program.name} leads`, leads, signal);
  }

  /** Process id of the agent that runs now. */
  get agentPid(): number | undefined {
    return this.#agent?.program.pid;
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.program.stop();
    this.#agent = undefined;
  }

  assertRunning(): void {
    this.#agent?.program.assertRunning();
  }

  /** Returns the policies whose status does not show that their present spec is in force. */
  async waitingPolicies(signal: AbortSignal): Promise<readonly string[]> {
    const policies = await this.client.list(SOVEREIGN_POLICY_KIND, {}, signal);
    return policies.flatMap(({ metadata, status }) =>
      status?.phase === 'Active' && status.observedGeneration === metadata.generation
        ? []
        : [`${metadata.name} of ${this.name} is ${status?.phase ?? 'without a phase'}: ${status?.message ?? ''}`],
    );
  }

  /** Returns the objects that the product has written here, once they stay the same. */
  async settledObjects(signal: AbortSignal): Promise<ManagedObjects> {
    let last = await readManagedObjects(this.client, signal);
    const settled = async (): Promise<ManagedObjects | undefined> => {
      await delay(SETTLE_MS, undefined, { signal });
      const next = await readManagedObjects(this.client, signal);
      const [change] = differencesOf(last, next);
      last = next;
      if (change !== undefined) throw new Error(`${this.name}: ${change}`);
      return next;
    };
    return await until(`the objects of ${this.name} stay as they are`, settled, signal);
  }

  async close(): Promise<void> {
    await this.stopAgent();
    await this.client.close();
    await this.#cluster.stop();
  }
}
