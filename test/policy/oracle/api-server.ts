import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalCluster } from '@fso/clusters/local';
import { SovereignPolicySpec } from '@fso/shared/api';
import { KubeApiError, type KubeClient, NAMESPACE_KIND, POD_KIND, type Pod } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { runAction } from '../../../agent/apply/apply-action.ts';
import { bootstrapCluster } from '../../../agent/bootstrap.ts';
import {
  type Action,
  NO_EXCEPTIONS,
  type PolicyInput,
  planFloor,
  planFloorParameters,
  planGovernance,
  planNamespaces,
} from '../../../agent/enforce/index.ts';
import { openKubeClient } from '../../harness/kube-client.ts';
import { HANG_MS } from '../../harness/waiting.ts';
import { POLICY_NAMESPACE, policyName, WORLDS } from './cases.ts';
import type { Implementation, OracleCase } from './types.ts';

/** The floor's pod policies, on a real API server. */
export interface ApiServer extends Implementation {
  close(): Promise<void>;
}

const CONCURRENCY = 24;
/**
 * The policies that decide on pods, with their bindings: by labels, and by index. The others of the
 * floor judge other objects.
 */
const POD_POLICIES: readonly string[] = ['fso-floor-pods-deny', 'fso-floor-index-pods-deny'];
const DENIED_BY = POD_POLICIES.map((name) => `ValidatingAdmissionPolicy '${name}' with binding '${name}' denied request: `);

const POLICIES: readonly PolicyInput[] = WORLDS.flatMap((world) =>
  Object.entries(world.lists).map(([list, regions]) => ({
    key: `${POLICY_NAMESPACE}/${policyName(world, list)}`,
    namespace: POLICY_NAMESPACE,
    name: policyName(world, list),
    managedBy: 'local' as const,
    revision: undefined,
    generation: 1,
    spec: SovereignPolicySpec.parse({ targetNamespace: world.namespace, allowedRegions: [...regions] }),
    deleting: false,
  })),
);

const podOf = ({ governed, pod }: OracleCase): Pod => ({
  metadata: { name: 'probe', namespace: governed.namespace },
  spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...pod },
});

/**
 * The floor's refusal of the pod; undefined = admitted. Any other refusal, e.g. of a malformed pod,
 * is an error.
 */
const ask = async (client: KubeClient, asked: OracleCase, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await client.create(POD_KIND, podOf(asked), { dryRun: true }, signal);
    return undefined;
  } catch (error) {
    const message = error instanceof KubeApiError ? error.message : '';
    const deniedBy = DENIED_BY.find((text) => message.includes(text));
    if (deniedBy === undefined) throw new Error(`the API server on ${JSON.stringify(asked)}`, { cause: error });
    return message.slice(message.indexOf(deniedBy) + deniedBy.length);
  }
};

const askAll = async (client: KubeClient, cases: readonly OracleCase[], signal: AbortSignal): Promise<(string | undefined)[]> => {
  const answers = new Array<string | undefined>(cases.length);
  const queue = cases.entries();
  const work = async (): Promise<void> => {
    for (const [index, asked] of queue) answers[index] = await ask(client, asked, signal);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return answers;
};

const govern = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const runAll = async (actions: readonly Action[]): Promise<void> => {
    for (const action of actions) await runAction(client, action, signal);
  };
  await Promise.all(WORLDS.map(({ namespace }) => client.create(NAMESPACE_KIND, { metadata: { name: namespace } }, {}, signal)));
  await bootstrapCluster(client, systemClock, signal);
  const now = new Date();
  const namespaces = WORLDS.map(({ namespace }) => ({ name: namespace, terminating: false, labels: {}, annotations: {} }));
  const governance = planGovernance(POLICIES, namespaces, now);
  await runAll(planFloorParameters({ governance, nodes: [], exceptions: NO_EXCEPTIONS, observed: [], bindGate: 'label' }).actions);
  await runAll(planFloor([], []).filter((action) => action.type === 'apply' && POD_POLICIES.includes(action.body.metadata.name)));
  const indexed = new Set(WORLDS.filter(({ byIndex }) => byIndex).map(({ namespace }) => namespace));
  await runAll(
    planNamespaces(governance, namespaces, now).filter((action) => action.type !== 'apply' || !indexed.has(action.body.metadata.name)),
  );
};

/**
 * Waits until every namespace refuses a pod without a region: then service accounts exist, and the
 * new policy is in force.
 */
const untilGoverned = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(HANG_MS)]);
  const refuses = async (namespace: string): Promise<boolean> => {
    const asked = { governed: { namespace, policies: [], regions: [] }, pod: {} };
    try {
      return (await ask(client, asked, timeout)) !== undefined;
    } catch (error) {
      timeout.throwIfAborted();
      if ((error as Error).cause instanceof KubeApiError) return false;
      throw error;
    }
  };
  for (const { namespace } of WORLDS) while (!(await refuses(namespace))) await delay(50, undefined, { signal: timeout });
};

/**
 * Starts a control plane, applies the floor as the agent does, and governs a namespace for each
 * world.
 */
export const startApiServer = async (log: (line: string) => void, signal: AbortSignal): Promise<ApiServer> => {
  const stateDir = mkdtempSync(join(tmpdir(), 'fso-oracle-'));
  const cluster = await startLocalCluster({ name: 'oracle', stateDir, regions: ['eu-west-1'], gatekeeper: false, log }, signal);
  const client = openKubeClient({ kubeconfig: cluster.kubeconfig });
  const close = async (): Promise<void> => {
    await client.close();
    await cluster.stop();
    rmSync(stateDir, { recursive: true, force: true });
  };
  try {
    await govern(client, signal);
    await untilGoverned(client, signal);
  } catch (error) {
    await close();
    throw error;
  }
  return { name: 'CEL', answers: (cases) => askAll(client, cases, signal), close };
};
