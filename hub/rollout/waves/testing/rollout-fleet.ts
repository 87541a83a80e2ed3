import type { RolloutWave } from '@fso/shared/api';
import { describeRun } from '../describe-run.ts';
import type { Zone } from './commits.ts';
import { RolloutWorld, type SimulatedCluster } from './rollout-world.ts';

type Rule = Partial<Omit<RolloutWave, 'name' | 'clusterSelector'>>;

/** A fleet with a strategy of one wave for each zone, whose clusters have the first commit. */
export const open = (rules: Readonly<Partial<Record<Zone, Rule>>>, names: readonly string[] = ['a1', 'b1', 'c1'], approvers?: string[]) => {
  const world = new RolloutWorld();
  const waves = Object.entries(rules).map(([zone, rule]) => ({ name: zone, clusterSelector: { matchLabels: { zone } }, ...rule }));
  for (const name of names) world.clusters.set(name, create(name));
  const registered = new Map([...world.clusters.values()].map(({ name, zone }) => [name, zone]));
  world.commit({ strategy: { waves, unreachableAfter: '2m', ...(approvers && { approvers }) }, registered });
  const cluster = (name: string): SimulatedCluster => world.clusters.get(name) ?? create(name);
  const work = (...some: string[]): void => {
    for (const name of some.length === 0 ? world.clusters.keys() : some) for (let step = 0; step < 2; step += 1) world.work(cluster(name));
  };
  world.step();
  work();
  return {
    world,
    cluster,
    work,
    commit: (content: number, zones: readonly Zone[] = ['a', 'b', 'c']) => {
      world.commit({ contents: { ...world.newest.contents, ...Object.fromEntries(zones.map((zone) => [zone, content])) } });
      world.step();
    },
    wait: (seconds: number) => {
      world.now += seconds * 1000;
      world.step();
    },
    targets: () => [...world.clusters.values()].map(({ target }) => target),
    view: () => (world.run === undefined ? undefined : describeRun(world.run, world.input(), [])),
  };
};

/** Creates a cluster that has no commit. Its zone is the first letter of its name. */
export const create = (name: string): SimulatedCluster => ({
  name,
  zone: name.charAt(0) as Zone,
  awaySince: null,
  accepted: null,
  proven: null,
  refused: null,
  lacking: null,
  held: null,
  target: null,
  offered: null,
  verified: null,
});
