import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamespaces, World } from '@fso/clusters/demo';
import { REGION_LABEL } from '@fso/shared/api';
import { type KubeClient, POD_KIND } from '@fso/shared/kube';
import { until } from '../../../clusters/demo/programs.ts';
import { never } from '../../harness/waiting.ts';

type Shown = 'hub' | 'hubUrl' | 'apiToken' | 'repository' | 'startHub' | 'stopHub' | 'startAgents' | 'agentUrls' | 'killAgents' | 'stop';

/**
 * Three real clusters with agents, a Git server and a hub, as in the demo, and pods that violate
 * policies.
 */
export interface RealWorld extends Pick<World, Shown> {
  /** Removed at the end. */
  readonly folder: string;
  /** Administrator of a cluster: us, eu or apac. */
  kube(cluster: string): KubeClient;
  /** Creates a pod with a region. Resolves once the API server has it. */
  createPod(cluster: string, ref: { readonly namespace: string; readonly name: string }, region: string): Promise<void>;
}

/** @param env more settings of hub and agents */
export const openRealWorld = async (env: Readonly<Record<string, string>> = {}): Promise<RealWorld> => {
  const signal = never;
  const folder = await mkdtemp(join(tmpdir(), 'fso-real-'));
  const world = await World.open({ stateDir: folder, log: () => undefined, env });
  const kube = (name: string): KubeClient => {
    const cluster = world.clusters.find((candidate) => candidate.name === name);
    if (cluster === undefined) throw new Error(`no cluster ${name}`);
    return cluster.kube;
  };
  const createPod: RealWorld['createPod'] = async (cluster, metadata, region) => {
    const spec = { containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }], nodeSelector: { [REGION_LABEL]: region } };
    await kube(cluster).create(
      POD_KIND,
      { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata }, spec },
      {},
      new AbortController().signal,
    );
  };
  const close = async (): Promise<void> => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await world.startFleet(signal);
    await createNamespaces(world, signal);
    // It runs before any policy exists, outside of the regions that customer-data will allow.
    await createPod('us', { namespace: 'customer-data', name: 'crm-export' }, 'us-west-2');
    await world.startGit();
    await world.startHub();
    await until('the hub answers', () => world.hub.status(signal), signal);
    await world.startAgents();
    const isProven = async (): Promise<true | undefined> =>
      (await world.hub.status(signal)).clusters.proven === world.clusters.length || undefined;
    await until('every cluster proves the commit', isProven, signal);
    // These policies do not refuse: one only records, the other only warns.
    await createPod('apac', { namespace: 'analytics', name: 'clickstream' }, 'ap-northeast-1');
    await createPod('apac', { namespace: 'trading-fx', name: 'quotes' }, 'ap-northeast-1');
  } catch (error) {
    await close();
    throw error;
  }
  const { hub, hubUrl, apiToken } = world;
  return {
    hub,
    hubUrl,
    apiToken,
    startHub: (...args) => world.startHub(...args),
    stopHub: (...args) => world.stopHub(...args),
    startAgents: (...args) => world.startAgents(...args),
    agentUrls: () => world.agentUrls(),
    killAgents: () => world.killAgents(),
    folder,
    stop: close,
    get repository() {
      return world.repository;
    },
    kube,
    createPod,
  };
};
