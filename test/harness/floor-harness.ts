import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { FloorParametersSpec } from '@fso/shared/api';
import { EVENT_KIND, FLOOR_PARAMETERS_KIND, type KindDescriptor, type KubeClient, NODE_KIND, POD_KIND, type Pod } from '@fso/shared/kube';
import { BINDING_FIX, violationMessage } from '@fso/shared/residency';
import type { RunningAgent } from '../../agent/agent.ts';
import type { AgentConfig } from '../../agent/config.ts';
import { AgentHarness } from './agent-harness.ts';
import { openKubeClient, refusalOf } from './kube-client.ts';
import { startTestCluster } from './local-cluster.ts';
import { eventually } from './waiting.ts';

export const EU = 'eu-west-1';
export const US = 'us-east-1';

/** Mode of the bind gate, and an API server that requires it. */
export interface Mode {
  readonly mode: 'label' | 'list';
  readonly version: RegExp;
  readonly apiServerArgs: readonly string[];
}

/**
 * Modes of the bind gate. An older API server adds no region to a Binding, so the gate consults the
 * list of nodes.
 */
export const MODES: readonly Mode[] = [
  { mode: 'label', version: /^v?1\.3[5-9]/, apiServerArgs: [] },
  { mode: 'list', version: /^v?1\.34/, apiServerArgs: ['--emulated-version=1.34'] },
];

export interface Attempt {
  readonly as: KubeClient;
  readonly node?: string;
  readonly kind?: string;
  readonly labels?: Record<string, string>;
  readonly legacy?: boolean;
  readonly namespace?: string;
}

/**
 * Cluster with two nodes in each of two regions, one node without a region, lock 1 only, and an
 * agent. Namespace `finance` is governed, `free` is not. In each, a pod `waiting` was unscheduled
 * before the agent started.
 */
export class FloorHarness extends AgentHarness {
  readonly cluster: LocalCluster;
  /** Client of a trusted binder, who may do everything. */
  readonly trusted: KubeClient;
  /** Client of a user who may do everything, but is no trusted binder. */
  readonly stranger: KubeClient;
  readonly #folder: string;
  #agent: RunningAgent | undefined;

  private constructor(cluster: LocalCluster, users: { trusted: string; stranger: string }, folder: string) {
    super(cluster.kubeconfig, new AbortController().signal);
    this.cluster = cluster;
    this.trusted = openKubeClient({ kubeconfig: users.trusted });
    this.stranger = openKubeClient({ kubeconfig: users.stranger });
    this.#folder = folder;
  }

  /** @param prepare called before the agent starts */
  static async start(
    name: string,
    { mode, apiServerArgs }: Mode,
    prepare: (client: KubeClient, signal: AbortSignal) => Promise<void> = async () => undefined,
  ): Promise<FloorHarness> {
    const folder = await mkdtemp(join(tmpdir(), `fso-${name}-${mode}-`));
    const options = { name: `${name}-${mode}`, stateDir: folder, regions: [EU, US], gatekeeper: false, apiServerArgs };
    const cluster = await startTestCluster(options, new AbortController().signal);
    const admins = ['system:masters'];
    const [trusted, stranger] = [
      await cluster.createUserKubeconfig('trusted', admins),
      await cluster.createUserKubeconfig('stranger', admins),
    ];
    const world = new FloorHarness(cluster, { trusted, stranger }, folder);
    await world.client.create(NODE_KIND, { metadata: { name: 'nowhere' } }, {}, world.signal);
    await world.makeNamespace('finance');
    await world.makeNamespace('free');
    await world.createPod('finance', 'waiting', { stage: 'open' });
    await world.createPod('free', 'waiting', { stage: 'never' });
    await prepare(world.client, world.signal);
    await world.resume();
    await world.govern('finance');
    await world.reaches('finance', 'Active');
    return world;
  }

  async end(): Promise<void> {
    await this.close();
    await Promise.all([this.trusted.close(), this.stranger.close()]);
    await this.cluster.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Starts the agent. */
  async resume(changes: Partial<AgentConfig> = {}): Promise<void> {
    const agent = await this.startAgent('floor', {
      // The last is the agent itself, which must not count.
      trustedBinders: ['system:kube-scheduler', 'trusted', 'fso-admin'],
      trustedNodeLabelers: ['group:system:masters'],
      ...changes,
    });
    this.#agent = agent;
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
  }

  /** Running agent. */
  get agent(): RunningAgent {
    if (this.#agent === undefined) throw new Error('no agent runs');
    return this.#agent;
  }

  /** Ends the agent. */
  async pause(): Promise<void> {
    if (this.#agent !== undefined) await this.stopAgent(this.#agent);
    this.#agent = undefined;
  }

  async govern(name: string, targetNamespace: string = name, excludedNamespaces: string[] = []): Promise<void> {
    await this.applyPolicy(name, { targetNamespace, allowedRegions: [EU], excludedNamespaces });
  }

  async parameters(name: string): Promise<FloorParametersSpec> {
    return (await this.client.get(FLOOR_PARAMETERS_KIND, { name }, this.signal))?.spec ?? {};
  }

  /** Creates a pod, once pods can be created. */
  async createPod(namespace: string, name: string, nodeSelector: Record<string, string>): Promise<void> {
    const pod: Pod = { metadata: { namespace, name }, spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector } };
    await eventually(() => this.client.create(POD_KIND, pod, {}, this.signal));
  }

  async nodeOf(namespace: string, name: string): Promise<string | undefined> {
    return (await this.client.get(POD_KIND, { namespace, name }, this.signal))?.spec.nodeName;
  }

  async label(kind: KindDescriptor, name: string, labels: Record<string, string | null>): Promise<void> {
    await this.client.mergePatch(kind, { name }, { metadata: { labels } }, this.signal);
  }

  /** Tries a Binding in a dry run. @returns the refusal; '' if it is admitted */
  async tryBind({ as, node = `${EU}-a`, kind = 'Node', labels = {}, legacy, namespace = 'finance' }: Attempt): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/${legacy === true ? 'bindings' : 'pods/waiting/binding'}`;
    const metadata = { name: 'waiting', namespace, labels };
    const body = { apiVersion: 'v1', kind: 'Binding', metadata, target: { apiVersion: 'v1', kind, name: node } };
    return refusalOf(as.raw({ method: 'POST', path, body, query: { dryRun: 'All' } }, this.signal));
  }

  /**
   * Waits for the event of a pod that the scheduler could not bind because of an admission policy.
   */
  refusedByScheduler(namespace: string, pod: string, policy: string): Promise<boolean> {
    return eventually(async () => {
      const events = await this.client.list(EVENT_KIND, { namespace }, this.signal);
      return events.some(({ involvedObject, message }) => involvedObject.name === pod && message.includes(`'${policy}'`));
    });
  }
}

/** Returns the message that refuses a Binding in `finance`. */
export const bindingSentence = (violation: string): string =>
  violationMessage({ policies: ['default/finance'], regions: [EU], namespace: 'finance', violation, fix: BINDING_FIX });
