import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { KubeClient } from '@fso/shared/kube';
import { afterAll, beforeAll } from 'vitest';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { never } from '../harness/waiting.ts';

/** A cluster whose Gatekeeper audits every two seconds. */
class LockTwoHarness {
  folder = '';
  cluster!: LocalCluster;
  world!: AgentHarness;
  readonly #clients: KubeClient[] = [];

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'fso-lock-two-'));
    const regions = ['eu-west-1', 'us-east-1'];
    const options = { name: 'lock-two', stateDir: this.folder, regions, gatekeeper: true, gatekeeperAuditSeconds: 2 };
    this.cluster = await startTestCluster(options, never);
    this.world = new AgentHarness(this.cluster.kubeconfig, never);
  }

  /** A client of a user, which is closed at the end. */
  async connect(user: string, groups: readonly string[]): Promise<KubeClient> {
    const client = openKubeClient({ kubeconfig: await this.cluster.createUserKubeconfig(user, groups) });
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    await this.world.close();
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.cluster.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Call at the top of a test file. */
export const useLockTwo = (): LockTwoHarness => {
  const lockTwo = new LockTwoHarness();
  beforeAll(() => lockTwo.open());
  afterAll(() => lockTwo.close());
  return lockTwo;
};
