import { until } from '../../clusters/demo/programs.ts';
import { readHubView } from './hub-view.ts';
import type { UpgradeCluster } from './upgrade-cluster.ts';
import type { Version } from './versions.ts';
import type { World } from './world.ts';

export interface Step {
  readonly name: string;
  /**
   * Expected state of the clusters, and of the hub: `same` as before the step; `changed`, as a
   * commit brings something else; `restored`: as before the first step, but for the ids of commits;
   * `apart`: the same in the clusters, some of which the hub does not know.
   */
  readonly expects: 'same' | 'changed' | 'restored' | 'apart';
  /** Clusters whose agents the hub does not let in once the step is done. */
  readonly refused?: readonly string[];
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

/**
 * Returns the steps of the way up and back: the hub first, then the agents; agents go back before
 * their hub.
 */
export const planSteps = (world: World, next: Version, agentsOnly: boolean): readonly Step[] => [
  moveHub(world, next),
  ...world.clusters.map((cluster) => moveAgent(world, cluster, next)),
  commit(world, 'widen'),
  ...world.clusters.map((cluster) => moveAgent(world, cluster, world.old)),
  ...(agentsOnly ? [] : [moveHub(world, world.old)]),
  commit(world, 'restore'),
];

const breakHub = ({ hub }: World, next: Version, refused: readonly string[], beforeStart: () => Promise<unknown>): Step => ({
  name: `hub → ${next.name}, which refuses the agents`,
  expects: 'apart',
  refused,
  run: async (signal) => {
    await hub.stop();
    await beforeStart();
    await hub.start(next, signal);
    const allRefused = async (): Promise<true | undefined> => {
      const found = await hub.refused();
      return refused.every((cluster) => found.has(cluster)) || undefined;
    };
    await until('the hub has refused each agent', allRefused, signal);
  },
});

/**
 * The way up where the versions do not speak the same protocol, with no way back but a backup: the
 * hub refuses each agent until that is upgraded.
 *
 * @param beforeStart called while no hub runs
 */
export const planBreakSteps = (world: World, next: Version, beforeStart: () => Promise<unknown>): readonly Step[] => {
  const names = world.clusters.map(({ name }) => name);
  return [
    breakHub(world, next, names, beforeStart),
    ...world.clusters.map((cluster, index): Step => {
      const refused = names.slice(index + 1);
      return { ...moveAgent(world, cluster, next), expects: refused.length === 0 ? 'restored' : 'apart', refused };
    }),
    commit(world, 'widen'),
    commit(world, 'restore'),
  ];
};
