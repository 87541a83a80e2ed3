import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { ClusterEvent } from '@fso/shared/api';
import { type KindDescriptor, POD_KIND } from '@fso/shared/kube';
import type { RunningAgent } from '../../agent/agent.ts';
import { OBSERVATION_LIMITS, type ObservationLimits } from '../../agent/observation/index.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile } from '../harness/policy-files.ts';
import { scaleLimits } from '../harness/scale-limits.ts';
import { eventually } from '../harness/waiting.ts';
import { discoverKinds } from './kinds.ts';
import { FaultProxy } from './proxy/fault-proxy.ts';

export const INSIDE = 'eu-west-1';
export const OUTSIDE = 'us-east-1';
/** Governed by a policy from Git that refuses pods outside, and injects the placement. */
export const GOVERNED = 'finance';
/**
 * Governed by a policy from Git that only counts pods outside; pod `settled` runs in it, inside.
 */
export const WATCHED = 'watched';
/** Governed by the policy `default/local`. */
export const LOCAL = 'local';

/** Scale of the limits, a tenth of the default ones: the suite waits for them. */
const SCALE = 0.1;
/** Lists lag by up to a minute, in the same scale. */
const LAG_MS = 60_000 * SCALE;
const HEARTBEAT_MS = 15_000 * SCALE;

export const LIMITS: ObservationLimits = scaleLimits(OBSERVATION_LIMITS, SCALE);

/** Longer than any case: nothing is ever out of date, and no watch too silent. */
const NEVER_MS = 10 ** 9;
const NO_LIMITS: ObservationLimits = {
  ...LIMITS,
  partMs: NEVER_MS,
  longestPartMs: NEVER_MS,
  kindMs: NEVER_MS,
  silenceMs: NEVER_MS,
  podListMs: NEVER_MS,
  shownMs: NEVER_MS,
};

const policyIn = (namespace: string, lines: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: { name: ${namespace} }\n` +
  `spec:\n  targetNamespace: ${namespace}\n  allowedRegions: [${INSIDE}]\n  ${lines}\n`;

const REPOSITORY = {
  'clusters/eu.yaml': clusterFile('eu', [INSIDE]),
  'policies/finance.yaml': policyIn(GOVERNED, 'placementInjection: true'),
  'policies/watched.yaml': policyIn(WATCHED, 'enforcementAction: dryrun'),
};

export interface BlindWorldOptions {
  readonly name: string;
  /** false: agents whose evidence is never out of date. */
  readonly ruleOfAge: boolean;
}

interface Parts {
  readonly folder: string;
  readonly cluster: LocalCluster;
  readonly hubHarness: HubHarness;
  readonly hub: RunningHub;
  readonly proxy: FaultProxy;
}

/**
 * A cluster with both locks, an agent that sees it through a proxy with faults, and a hub that the
 * agent reports to.
 */
export class BlindWorld extends AgentHarness {
  readonly proxy: FaultProxy;
  readonly hub: RunningHub;
  readonly events: ClusterEvent[] = [];
  readonly #parts: Parts;
  #agent: RunningAgent | undefined;
  #kinds: ReadonlyMap<string, KindDescriptor> = new Map();

  private constructor(parts: Parts) {
    super(parts.cluster.kubeconfig, new AbortController().signal);
    this.#parts = parts;
    this.proxy = parts.proxy;
    this.hub = parts.hub;
  }

  static async start({ name, ruleOfAge }: BlindWorldOptions): Promise<BlindWorld> {
    const folder = await mkdtemp(join(tmpdir(), `fso-${name}-`));
    const signal = new AbortController().signal;
    const cluster = await startTestCluster({ name, stateDir: folder, regions: [INSIDE, OUTSIDE], gatekeeper: true }, signal);
    const hubHarness = await openHubHarness();
    await hubHarness.repository.commit(REPOSITORY, 'two policies');
    const hub = await hubHarness.startHub({ deps: { deliveryLimits: { heartbeatMs: HEARTBEAT_MS } } });
    const proxy = await FaultProxy.start({ kubeconfig: cluster.kubeconfig, folder, lagMs: LAG_MS });
    const world = new BlindWorld({ folder, cluster, hubHarness, hub, proxy });
    await world.#fill();
    await world.#startOneAgent(ruleOfAge ? LIMITS : NO_LIMITS);
    return world;
  }

  get agent(): RunningAgent {
    if (this.#agent === undefined) throw new Error('no agent runs');
    return this.#agent;
  }

  /** undefined: the API server does not have it. */
  kind(name: string): KindDescriptor | undefined {
    return this.#kinds.get(name);
  }

  async #fill(): Promise<void> {
    for (const name of [GOVERNED, WATCHED, LOCAL]) await this.makeNamespace(name);
    const spec = { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { 'topology.kubernetes.io/region': INSIDE } };
    await eventually(() => this.client.create(POD_KIND, { metadata: { namespace: WATCHED, name: 'settled' }, spec }, {}, this.signal));
    await eventually(async () => (await this.client.get(POD_KIND, { namespace: WATCHED, name: 'settled' }, this.signal))?.spec.nodeName);
  }

  async #startOneAgent(limits: ObservationLimits): Promise<void> {
    const { hub, proxy } = this.#parts;
    const connection = { url: hub.agentUrl, token: TOKENS.get('eu'), enrolToken: undefined, ca: undefined };
    const agent = await this.startAgent('blind', { cluster: 'eu', kubeconfig: proxy.kubeconfig, hub: connection, limits });
    this.#agent = agent;
    agent.observatory.onEvent((event) => this.events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await this.applyPolicy(LOCAL, { targetNamespace: LOCAL, allowedRegions: [INSIDE] });
    await this.reaches(LOCAL, 'Active');
    this.#kinds = await discoverKinds(this.client, this.signal);
  }

  override async close(): Promise<void> {
    const { cluster, hubHarness, proxy, folder } = this.#parts;
    await super.close();
    await proxy.close();
    await hubHarness.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
