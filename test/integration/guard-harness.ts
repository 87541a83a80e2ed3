import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { API_VERSION, type ClusterEvent, CONDITIONS, REGION_LABEL, type SovereignPolicy } from '@fso/shared/api';
import type { KindDescriptor, KubeClient } from '@fso/shared/kube';
import { afterAll, beforeAll } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually, never } from '../harness/waiting.ts';

const EU = ['eu-west-1'];

export const labelled = (labels: Record<string, string | null>) => ({ metadata: { labels } });

export const policyOf = (namespace: string, name: string, labels: Record<string, string> = {}): SovereignPolicy =>
  ({
    apiVersion: API_VERSION,
    kind: 'SovereignPolicy',
    metadata: { namespace, name, labels },
    spec: { targetNamespace: `${name}-target`, allowedRegions: EU },
  }) as unknown as SovereignPolicy;

/**
 * A cluster with Gatekeeper, an agent that has only the rights of deploy/agent/rbac.yaml, and
 * administrators.
 */
class GuardHarness {
  /** Closed at the end. */
  readonly clients: KubeClient[] = [];
  /** Events of all agents. */
  readonly events: ClusterEvent[] = [];
  folder = '';
  cluster!: LocalCluster;
  world!: AgentHarness;
  admin!: KubeClient;
  gatekeeper!: KubeClient;
  agent!: RunningAgent;

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'fso-guard-'));
    const regions = ['eu-west-1', 'us-east-1'];
    this.cluster = await startTestCluster({ name: 'guard', stateDir: this.folder, regions, gatekeeper: true }, never);
    this.world = new AgentHarness(this.cluster.kubeconfig, never);
    this.admin = this.world.client;
    const groups = ['system:serviceaccounts:gatekeeper-system'];
    this.gatekeeper = await this.as('system:serviceaccount:gatekeeper-system:gatekeeper-admin', groups);
    await writeAgentKubeconfig(this.cluster.kubeconfig, join(this.folder, 'agent.kubeconfig'));
    await this.start('guarded');
    await this.world.makeNamespace('finance');
    await eventually(() => this.world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: EU }));
    await this.world.reaches('finance-eu', 'Active');
    await eventually(() => this.agent.observatory.snapshot().cluster.gatekeeper.state === 'Ready');
    await eventually(() => this.#isGuarded());
    await eventually(() => this.#areNodesGuarded());
  }

  /** Whether the agent has found no guard open: an API server puts them in force one by one. */
  #isGuarded(): boolean {
    const { conditions } = this.agent.observatory.snapshot().cluster;
    return conditions.some(({ type, status }) => type === CONDITIONS.guardReady && status === 'True');
  }

  /** Whether the guard on nodes is in force, which the agent has no right to try. */
  async #areNodesGuarded(): Promise<boolean> {
    const request = { method: 'PATCH', path: '/api/v1/nodes/us-east-1-a', query: { dryRun: 'All' } } as const;
    const patch = { ...request, body: labelled({ [REGION_LABEL]: 'eu-west-1' }), contentType: 'application/merge-patch+json' };
    return (await refusalOf(this.admin.raw(patch, never))).includes('only trusted identities');
  }

  async as(user: string, groups: readonly string[] = []): Promise<KubeClient> {
    const client = openKubeClient({ kubeconfig: await this.cluster.createUserKubeconfig(user, [...groups, 'system:masters']) });
    this.clients.push(client);
    return client;
  }

  send(client: KubeClient, method: 'PUT' | 'PATCH', path: string, body: unknown): Promise<unknown> {
    return client.raw({ method, path, body, ...(method === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {}) }, never);
  }

  patch(kind: KindDescriptor, ref: { namespace?: string; name: string }, body: unknown): Promise<string> {
    return refusalOf(this.admin.mergePatch(kind, ref, body, never));
  }

  async start(identity: string): Promise<void> {
    const kubeconfig = join(this.folder, 'agent.kubeconfig');
    this.agent = await this.world.startAgent(identity, { kubeconfig, trustedNodeLabelers: ['cloud', 'group:node-team'] });
    this.agent.observatory.onEvent((event) => this.events.push(event));
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await this.world.close();
    await this.cluster.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Call at the top of a test file. */
export const useGuard = (): GuardHarness => {
  const guard = new GuardHarness();
  beforeAll(() => guard.open());
  afterAll(() => guard.close());
  return guard;
};
