import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalCluster, startLocalCluster } from '@fso/clusters/local';
import { REGION_LABEL, type SovereignPolicySpecInput } from '@fso/shared/api';
import { POD_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { AgentHarness } from '../../harness/agent-harness.ts';
import { REGIONS, regionSet } from '../regions.ts';

const IN_FLIGHT = 16;

/** Real cluster with Gatekeeper, and its administrator. */
export interface OneCluster {
  readonly cluster: LocalCluster;
  readonly world: AgentHarness;
  /** Folder for files of the bench; removed at the end. */
  readonly folder: string;
}

/** Starts clusters in sequence, and ends them in any case. */
export const withClusters = async <const N extends readonly string[], T>(
  names: N,
  signal: AbortSignal,
  measure: (clusters: { readonly [K in keyof N]: OneCluster }) => Promise<T>,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-'));
  const log = (text: string): void => console.error(text);
  const opened: OneCluster[] = [];
  try {
    for (const name of names) {
      const cluster = await startLocalCluster({ name, stateDir: folder, regions: REGIONS, gatekeeper: true, log }, signal);
      opened.push({ cluster, world: new AgentHarness(cluster.kubeconfig, signal), folder });
    }
    return await measure(opened as { readonly [K in keyof N]: OneCluster });
  } finally {
    for (const { cluster, world } of opened.toReversed()) {
      await world.close();
      await cluster.stop();
    }
    await rm(folder, { recursive: true, force: true });
  }
};

export const withOneCluster = <T>(signal: AbortSignal, measure: (one: OneCluster) => Promise<T>): Promise<T> =>
  withClusters(['bench'], signal, ([one]) => measure(one));

/** Returns the policy of one namespace, with one of ten region sets. */
export const policySpec = (namespace: string, index: number): SovereignPolicySpecInput => ({
  targetNamespace: namespace,
  allowedRegions: regionSet(index),
});

/** Writes a policy for each namespace, 16 at a time. */
export const writePolicies = async (world: AgentHarness, namespaces: readonly string[]): Promise<void> => {
  await mapConcurrently(namespaces, IN_FLIGHT, (namespace, index) => world.applyPolicy(namespace, policySpec(namespace, index)));
};

/** Creates running pods, spread over namespaces, in a region that their policies allow. */
export const makePods = async ({ client, signal }: AgentHarness, namespaces: readonly string[], count: number): Promise<void> => {
  await mapConcurrently(Array.from({ length: count }), IN_FLIGHT, async (_item, index) => {
    const at = index % namespaces.length;
    const spec = {
      containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }],
      nodeSelector: { [REGION_LABEL]: regionSet(at)[0] ?? '' },
    };
    await client.create(POD_KIND, { metadata: { name: `pod-${index}`, namespace: namespaces[at] ?? '' }, spec }, {}, signal);
  });
};
