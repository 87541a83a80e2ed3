import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalCluster } from '@fso/clusters/local';
import { KubeApiError, type KubeClient, NAMESPACE_KIND, POD_KIND, type Pod } from '@fso/shared/kube';
import { mapConcurrently, systemClock } from '@fso/shared/runtime';
import { runAction } from '../../../agent/apply/apply-action.ts';
import { bootstrapCluster } from '../../../agent/bootstrap.ts';
import {
  type Action,
  NO_EXCEPTIONS,
  planFloor,
  planFloorParameters,
  planGovernance,
  planNamespaces,
} from '../../../agent/enforce/index.ts';
import { putGatekeeperLock } from '../../harness/gatekeeper-lock.ts';
import { openKubeClient } from '../../harness/kube-client.ts';
import { HANG_MS, waitFor } from '../../harness/waiting.ts';
import { FREE_NAMESPACE, POLICIES, WORLDS } from './cases.ts';
import type { Implementation, OracleCase } from './types.ts';

/** The floor's pod policies, on a real API server. */
export interface ApiServer extends Implementation {
  /**
   * Dry runs of pods, with the text of a refusal by a lock for each; undefined: it is admitted.
   *
   * @param as a user of all rights; default: the administrator
   */
  dryRun(pods: readonly Pod[], as?: string): Promise<readonly (string | undefined)[]>;
  close(): Promise<void>;
}

const CONCURRENCY = 24;
/**
 * The policies that decide on pods, with their bindings: by labels, and by index. The others of the
 * floor judge other objects.
 */
const POD_POLICIES: readonly string[] = ['fso-floor-pods-deny', 'fso-floor-index-pods-deny'];
const DENIED_BY = [
  ...POD_POLICIES.map((name) => `ValidatingAdmissionPolicy '${name}' with binding '${name}' denied request: `),
  'admission webhook "validation.gatekeeper.sh" denied the request: ',
];

const podOf = ({ governed, pod }: Pick<OracleCase, 'pod'> & { readonly governed: { readonly namespace: string } }): Pod => ({
  metadata: { name: 'probe', namespace: governed.namespace },
  spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...pod },
});

/**
 * The refusal of the pod by a lock; undefined = admitted. Any other refusal, e.g. of a malformed
 * pod, is an error.
 */
const ask = async (client: KubeClient, pod: Pod, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await client.create(POD_KIND, pod, { dryRun: true }, signal);
    return undefined;
  } catch (error) {
    const message = error instanceof KubeApiError ? error.message : '';
    const deniedBy = DENIED_BY.find((text) => message.includes(text));
    if (deniedBy === undefined) throw new Error(`the API server on ${JSON.stringify(pod)}`, { cause: error });
    return message.slice(message.indexOf(deniedBy) + deniedBy.length);
  }
};

const askAll = (client: KubeClient, pods: readonly Pod[], signal: AbortSignal): Promise<(string | undefined)[]> =>
  mapConcurrently(pods, CONCURRENCY, (pod) => ask(client, pod, signal));

const govern = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const runAll = async (actions: readonly Action[]): Promise<void> => {
    for (const action of actions) await runAction(client, action, signal);
  };
  const names = [...WORLDS.map(({ namespace }) => namespace), FREE_NAMESPACE];
  await Promise.all(names.map((name) => client.create(NAMESPACE_KIND, { metadata: { name } }, {}, signal)));
  await bootstrapCluster(client, systemClock, signal);
  const now = new Date();
  const namespaces = names.map((name) => ({ name, terminating: false, labels: {}, annotations: {} }));
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
    try {
      return (await ask(client, podOf({ governed: { namespace }, pod: {} }), timeout)) !== undefined;
    } catch (error) {
      timeout.throwIfAborted();
      if ((error as Error).cause instanceof KubeApiError) return false;
      throw error;
    }
  };
  for (const { namespace } of WORLDS) while (!(await refuses(namespace))) await delay(50, undefined, { signal: timeout });
};

/** Waits until a namespace that nothing governs admits pods: its service account is there. */
const untilFree = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  await waitFor(() => ask(client, podOf({ governed: { namespace: FREE_NAMESPACE }, pod: {} }), signal));
};

/**
 * Starts a control plane, applies the floor as the agent does, and governs a namespace for each
 * world.
 *
 * @param hasGatekeeper whether lock 2 is put in force, too
 */
export const startApiServer = async (log: (line: string) => void, signal: AbortSignal, hasGatekeeper = false): Promise<ApiServer> => {
  const stateDir = mkdtempSync(join(tmpdir(), 'fso-oracle-'));
  const cluster = await startLocalCluster({ name: 'oracle', stateDir, regions: ['eu-west-1'], gatekeeper: hasGatekeeper, log }, signal);
  const clients = new Map<string | undefined, KubeClient>();
  const connect = async (user?: string): Promise<KubeClient> => {
    const kubeconfig = user === undefined ? cluster.kubeconfig : await cluster.createUserKubeconfig(user, ['system:masters']);
    const client = clients.get(user) ?? openKubeClient({ kubeconfig });
    clients.set(user, client);
    return client;
  };
  const close = async (): Promise<void> => {
    for (const client of clients.values()) await client.close();
    await cluster.stop();
    rmSync(stateDir, { recursive: true, force: true });
  };
  try {
    const client = await connect();
    await govern(client, signal);
    await untilGoverned(client, signal);
    await untilFree(client, signal);
    if (hasGatekeeper) await putGatekeeperLock(client, POLICIES, signal);
    return {
      name: 'CEL',
      answers: (cases) => askAll(client, cases.map(podOf), signal),
      dryRun: async (pods, as) => askAll(await connect(as), pods, signal),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};
