import { API_VERSION, type KubeObject, type SovereignPolicy, type SovereignPolicySpecInput } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  objectPath,
  POD_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import { type RunningAgent, startAgent } from '../../agent/agent.ts';
import type { AgentConfig } from '../../agent/config.ts';
import { openKubeClient, refusalOf } from './kube-client.ts';
import { eventually } from './waiting.ts';

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** Harness for one cluster, with an administrator's client and agents. */
export class AgentHarness {
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly #agents = new Set<RunningAgent>();

  constructor(kubeconfig: string, signal: AbortSignal) {
    this.kubeconfig = kubeconfig;
    this.client = openKubeClient({ kubeconfig });
    this.signal = signal;
  }

  async startAgent(identity: string, changes: Partial<AgentConfig> = {}): Promise<RunningAgent> {
    const config: AgentConfig = {
      cluster: 'test',
      kubeconfig: this.kubeconfig,
      hub: undefined,
      trust: { mode: 'off' },
      listen: { host: '127.0.0.1', port: 0 },
      identity,
      logLevel: 'silent',
      leaderElection: true,
      leaseDurationMs: 15_000,
      retryMs: [200, 400],
      gatekeeperGraceMs: 5_000,
      trustedBinders: ['system:kube-scheduler'],
      // The administrator of a local cluster acts as the cloud's node controller.
      trustedNodeLabelers: ['fso-admin'],
      gatekeeperNamespace: 'gatekeeper-system',
      ...changes,
    };
    const agent = await startAgent(config, { logger: createLogger({ name: identity, level: config.logLevel }) }, this.signal);
    this.#agents.add(agent);
    return agent;
  }

  async stopAgent(agent: RunningAgent): Promise<void> {
    this.#agents.delete(agent);
    await agent.stop();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents].map((agent) => agent.stop()));
    await this.client.close();
  }

  async makeNamespace(name: string): Promise<void> {
    await this.client.apply(NAMESPACE_KIND, { metadata: { name } }, { fieldManager: 'test' }, this.signal);
  }

  namespace(name: string): Promise<KubeObject | undefined> {
    return this.client.get(NAMESPACE_KIND, { name }, this.signal);
  }

  async applyPolicy(name: string, spec: SovereignPolicySpecInput): Promise<SovereignPolicy> {
    const body = { apiVersion: API_VERSION, kind: 'SovereignPolicy', metadata: { namespace: 'default', name }, spec } as SovereignPolicy;
    const { object } = await this.client.apply(SOVEREIGN_POLICY_KIND, body, { fieldManager: 'test', force: true }, this.signal);
    return object;
  }

  policy(name: string): Promise<SovereignPolicy | undefined> {
    return this.client.get(SOVEREIGN_POLICY_KIND, { namespace: 'default', name }, this.signal);
  }

  deletePolicy(name: string): Promise<void> {
    return this.client.delete(SOVEREIGN_POLICY_KIND, { namespace: 'default', name }, this.signal);
  }

  /** Deletes policies and waits until they are gone. */
  async removePolicies(...names: string[]): Promise<void> {
    await Promise.all(names.map((name) => this.deletePolicy(name)));
    await eventually(async () => (await Promise.all(names.map((name) => this.policy(name)))).every((policy) => policy === undefined));
  }

  /** Waits until the status is of the current spec and has this phase. */
  reaches(name: string, phase: string): Promise<SovereignPolicy> {
    return eventually(async () => {
      const policy = await this.policy(name);
      if (policy?.status?.phase === phase && policy.status.observedGeneration === policy.metadata.generation) return policy;
      throw new Error(`${name}: ${policy?.status?.phase ?? 'no phase'}: ${policy?.status?.message ?? ''}`);
    });
  }

  /**
   * Returns the API server's descriptor of an object's kind.
   *
   * @throws Error if there is no such kind
   */
  async kindOf({ apiVersion = 'v1', kind = '' }: KubeObject): Promise<KindDescriptor> {
    const path = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
    const { object } = await this.client.raw<ResourceList>({ method: 'GET', path }, this.signal);
    const resource = object.resources.find(({ name, ...found }) => found.kind === kind && !name.includes('/'));
    if (resource === undefined) throw new Error(`the API server has no ${kind} of ${apiVersion}`);
    return { apiVersion, kind, plural: resource.name, namespaced: resource.namespaced };
  }

  /**
   * Tries to delete an object in a dry run. Returns the API server's refusal, or '' if the deletion
   * is allowed.
   */
  async tryDelete(client: KubeClient, kind: KindDescriptor, name: string): Promise<string> {
    const path = objectPath(kind, { name });
    return refusalOf(client.raw({ method: 'DELETE', path, query: { dryRun: 'All' } }, this.signal));
  }

  /**
   * Creates an admission policy that refuses the agent's writes to one kind.
   *
   * @param name name of an existing object of the kind
   * @returns function that allows the writes again
   */
  async refuseTheAgent(kind: KindDescriptor, name: string): Promise<() => Promise<void>> {
    const block = { name: 'refuses-the-agent' };
    const apiGroup = kind.apiVersion.includes('/') ? kind.apiVersion.split('/')[0] : '';
    const rule = { apiGroups: [apiGroup], apiVersions: ['*'], operations: ['*'], resources: [kind.plural] };
    const policy = {
      metadata: block,
      spec: {
        matchConstraints: { resourceRules: [rule] },
        matchConditions: [{ name: 'the-agent', expression: 'request.userInfo.username == "fso-admin"' }],
        validations: [{ expression: 'false', message: 'not you' }],
      },
    };
    await this.client.create(ADMISSION_POLICY_KIND, policy, {}, this.signal);
    const binding = { metadata: block, spec: { policyName: block.name, validationActions: ['Deny'] } };
    await this.client.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, this.signal);
    await eventually(async () => (await this.tryDelete(this.client, kind, name)).includes('not you'));
    return async () => {
      const kinds = [ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND];
      await Promise.all(kinds.map((each) => this.client.delete(each, block, this.signal)));
    };
  }

  /**
   * Tries to create a pod in a dry run. Returns the API server's refusal, or '' if the pod is
   * admitted.
   */
  async tryPod(namespace: string, region?: string): Promise<string> {
    const pod = {
      metadata: { name: 'attempt', namespace },
      spec: {
        containers: [{ name: 'main', image: 'app:1' }],
        ...(region === undefined ? {} : { nodeSelector: { 'topology.kubernetes.io/region': region } }),
      },
    };
    return refusalOf(this.client.create(POD_KIND, pod, { dryRun: true }, this.signal));
  }

  async conditionOf(name: string, type: string): Promise<{ status: string; reason: string; message: string } | undefined> {
    return (await this.policy(name))?.status?.conditions?.find((condition) => condition.type === type);
  }

  async versions(kind: KindDescriptor, namespace?: string): Promise<Record<string, string | undefined>> {
    const objects = await this.client.list(kind, namespace === undefined ? {} : { namespace }, this.signal);
    return Object.fromEntries(objects.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
  }
}
