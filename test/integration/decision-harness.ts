import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { REGION_LABEL } from '@fso/shared/api';
import {
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  KubeApiError,
  type KubeClient,
  NAMESPACE_KIND,
  type Namespace,
  NODE_KIND,
  POD_KIND,
  type Pod,
} from '@fso/shared/kube';
import { violationMessage } from '@fso/shared/residency';
import { systemClock } from '@fso/shared/runtime';
import { afterAll, beforeAll, expect } from 'vitest';
import { runAction } from '../../agent/apply/apply-action.ts';
import { bootstrapCluster, whoAmI } from '../../agent/bootstrap.ts';
import {
  type Action,
  NO_EXCEPTIONS,
  type PolicyInput,
  planFloor,
  planFloorParameters,
  planGovernance,
  planNamespaces,
} from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import { planGatekeeperLock, putGatekeeperLock } from '../harness/gatekeeper-lock.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually, never as signal } from '../harness/waiting.ts';
import { ALLOWED, affinity, byNodeName, type DecisionCase } from './decision-cases.ts';

/** Namespaces that only lock 1, only lock 2, or no lock governs. */
export const LOCK_ONE = 'lock-one';
export const LOCK_TWO = 'lock-two';
export const WARNED = 'warned';
export const FREE = 'free';

export const regions = [...ALLOWED];
export const POLICY_ONE = policyOf('one', { targetNamespace: LOCK_ONE, allowedRegions: regions });
export const POLICY_TWO = policyOf('two', { targetNamespace: LOCK_TWO, allowedRegions: regions });
export const POLICY_WARN = policyOf('warn', { targetNamespace: WARNED, allowedRegions: regions, enforcementAction: 'warn' });

export const namespaceInput = ({ metadata }: Namespace) => ({
  name: metadata.name,
  terminating: false,
  labels: metadata.labels ?? {},
  annotations: metadata.annotations ?? {},
});

export const podOf = (namespace: string, pod: DecisionCase['pod'], metadata: Partial<Pod['metadata']> = {}): Pod => {
  const { ownerReferences, ...spec } = pod;
  return {
    metadata: { name: 'probe', namespace, ...metadata, ...(ownerReferences === undefined ? {} : { ownerReferences }) },
    spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...spec },
  };
};

export interface Answer {
  readonly admitted: boolean;
  readonly text: string;
}

export const answerOf = async (write: Promise<{ warnings: readonly string[] }>): Promise<Answer> => {
  try {
    return { admitted: true, text: (await write).warnings.join('\n') };
  } catch (error) {
    if (!(error instanceof KubeApiError) || error.status !== 403) throw error;
    return { admitted: false, text: error.message };
  }
};

export const expectedText = (from: PolicyInput, decision: { violation: string; fix: string }): string =>
  violationMessage({ policies: [from.key], regions, namespace: from.spec.targetNamespace, ...decision });

/**
 * A cluster in which one namespace has only lock 1 and one only lock 2, and the plans that put them
 * there.
 */
class DecisionHarness {
  readonly #stateDir = mkdtempSync(join(tmpdir(), 'fso-decision-'));
  readonly #clients: KubeClient[] = [];
  cluster: LocalCluster | undefined;
  client!: KubeClient;
  /** The scheduler, and the user of the tests. */
  binders: readonly string[] = [];

  async open(): Promise<void> {
    const options = { name: 'decision', stateDir: this.#stateDir, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true };
    this.cluster = await startTestCluster({ ...options, gatekeeperAuditSeconds: 2 }, signal);
    this.client = this.connect(this.cluster.kubeconfig);
    for (const name of [LOCK_ONE, LOCK_TWO, WARNED, FREE]) await this.client.create(NAMESPACE_KIND, { metadata: { name } }, {}, signal);
    await this.createGatedPods();
    await bootstrapCluster(this.client, systemClock, signal);
    this.binders = ['system:kube-scheduler', await whoAmI(this.client, signal)];
    await this.runAll(planFloor([], [], { binders: this.binders }));
    await this.govern([POLICY_ONE, POLICY_WARN]);
    await this.installGatekeeperLock([POLICY_TWO]);
    await eventually(async () => !(await this.create(podOf(LOCK_ONE, {}))).admitted);
    await eventually(async () => (await this.create(podOf(WARNED, {}))).text !== '');
    await eventually(async () => (await this.create(podOf(FREE, {}))).admitted);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((each) => each.close()));
    await this.cluster?.stop();
    rmSync(this.#stateDir, { recursive: true, force: true });
  }

  connect(kubeconfig: string): KubeClient {
    const made = openKubeClient({ kubeconfig });
    this.#clients.push(made);
    return made;
  }

  async userConfig(user: string, groups: string[]): Promise<string> {
    return (await this.cluster?.createUserKubeconfig(user, groups)) ?? expect.fail('no cluster');
  }

  async runAll(actions: readonly Action[]): Promise<void> {
    for (const action of actions) await runAction(this.client, action, signal);
  }

  create(pod: Pod, as: KubeClient = this.client): Promise<Answer> {
    return answerOf(as.create(POD_KIND, pod, { dryRun: true }, signal));
  }

  /** Refusals by policies. */
  async ownConstraints() {
    return (await this.client.list(GEO_RESIDENCY_KIND, {}, signal)).filter(({ metadata }) => metadata.name !== 'geo-canary');
  }

  /** Writes the labels and annotations of lock 1, and its parameters. */
  async govern(policies: readonly PolicyInput[]): Promise<void> {
    const namespaces = (await this.client.list(NAMESPACE_KIND, {}, signal)).map(namespaceInput);
    const now = new Date();
    const governance = planGovernance(policies, namespaces, now);
    const nodes = (await this.client.list(NODE_KIND, {}, signal)).map(({ metadata: { name, labels } }) => {
      const region = labels?.[REGION_LABEL];
      return { name, region, labelled: region };
    });
    const observed = await this.client.list(FLOOR_PARAMETERS_KIND, {}, signal);
    await this.runAll(planFloorParameters({ governance, nodes, exceptions: NO_EXCEPTIONS, observed, bindGate: 'label' }).actions);
    await this.runAll(planNamespaces(governance, namespaces, now));
  }

  gatekeeperRound(policies: readonly PolicyInput[]): Promise<Action[]> {
    return planGatekeeperLock(this.client, policies, signal);
  }

  installGatekeeperLock(policies: readonly PolicyInput[]): Promise<void> {
    return putGatekeeperLock(this.client, policies, signal);
  }

  /**
   * Pods from before the policies: a gated pod may still get a placement, also one that names a
   * node.
   */
  async createGatedPods(): Promise<void> {
    for (const namespace of [LOCK_ONE, LOCK_TWO]) {
      await eventually(async () => (await this.create(podOf(namespace, {}))).admitted);
      for (const [name, pod] of [
        ['gated', {}],
        ['gated-by-name', affinity(byNodeName)],
      ] as const) {
        const { metadata, spec } = podOf(namespace, pod, { name });
        await this.client.create(POD_KIND, { metadata, spec: { ...spec, schedulingGates: [{ name: 'example.com/gate' }] } }, {}, signal);
      }
    }
  }
}

/** Call at the top of a test file. */
export const useDecisions = (): DecisionHarness => {
  const bench = new DecisionHarness();
  beforeAll(() => bench.open());
  afterAll(() => bench.close());
  return bench;
};
