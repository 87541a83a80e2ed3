import { until } from '../../clusters/demo/programs.ts';
import { readHubView } from './hub-view.ts';
import type { UpgradeCluster } from './upgrade-cluster.ts';
import type { Version } from './versions.ts';
import type { World } from './world.ts';

export interface Step {
  readonly name: string;
  /**
   * What must be in the clusters, and what the hub must say: `same` as before the step; `changed`, as a commit brings something else;
   * `restored`: as before the first step, but for the ids of commits.
   */
  readonly expects: 'same' | 'changed' | 'restored';
  run(signal: AbortSignal): Promise<void>;
}

const moveHub = ({ hub }: World, version: Version): Step => ({
  name: `hub → ${version.name}`,
  expects: 'same',
  run: async (signal) => {
    await hub.stop();
    await hub.start(version, signal);
  },
});

const moveAgent = ({ hub, startAgent }: World, cluster: UpgradeCluster, version: Version): Step => ({
  name: `agent of ${cluster.name} → ${version.name}`,
  expects: 'same',
  run: async (signal) => {
    await cluster.stopAgent();
    // Else the report of the agent that has gone would pass for one of the next.
    const gone = async (): Promise<true | undefined> => {
      const { clusters } = await readHubView(hub, signal);
      return clusters.some(({ name, connection }) => name === cluster.name && connection === 'Disconnected') || undefined;
    };
    await until(`the hub sees that ${cluster.name} is disconnected`, gone, signal);
    await startAgent(cluster, version);
  },
});

const commit = ({ commit: change }: World, what: 'widen' | 'restore'): Step => ({
  name: what === 'widen' ? 'a commit' : 'its opposite',
  expects: what === 'widen' ? 'changed' : 'restored',
  run: () => change(what),
});

/** The way up and back: the hub first, then the agents; agents go back before their hub. */
export const planSteps = (world: World, next: Version, agentsOnly: boolean): readonly Step[] => [
  moveHub(world, next),
  ...world.clusters.map((cluster) => moveAgent(world, cluster, next)),
  commit(world, 'widen'),
  ...world.clusters.map((cluster) => moveAgent(world, cluster, world.old)),
  ...(agentsOnly ? [] : [moveHub(world, world.old)]),
  commit(world, 'restore'),
];
