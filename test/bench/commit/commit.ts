import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createNamespaces, World } from '@fso/clusters/demo';
import type { CommitActivity } from '@fso/shared/api';
import { until } from '../../../clusters/demo/programs.ts';
import { everyClusterProven, pushChange } from '../../../clusters/demo/steps.ts';
import { percentile, printRows, writeFigures } from '../figures.ts';
import { ClusterFloor } from './floor.ts';
import { above, between, clusterPrograms, readUsage, type Usage } from './usage.ts';

/** Time in which the remaining work of a commit is done, mainly the statuses of Gatekeeper. */
const SETTLE_MS = 3_000;
const POLL_MS = 500;

/**
 * Stages of one commit, in ms since the hub noticed it. With several clusters, of the slowest one.
 */
type Stages = Readonly<Record<'fetched' | 'judged' | 'compiled' | 'offered' | 'accepted' | 'written' | 'proven', number>>;

interface Result {
  readonly stages: readonly Stages[];
  /** Times in ms from the return of `git push` until the hub had the proof of all clusters. */
  readonly pushedToEnforced: readonly number[];
  readonly floor: readonly number[];
  /** Usage of the fleet at rest; `commits` has the usage of all commits beyond it. */
  readonly idle: Usage;
  readonly commits: Usage;
  /**
   * CPU time of each program for one commit of the warm-up, in ms beyond that at rest. V8 is still
   * compiling then.
   */
  readonly warmUpCpuMs: ReadonlyMap<string, number>;
}

const stagesOf = ({ hub, noticed, clusterSteps }: CommitActivity): Stages => {
  const since = (time: string | null): number => (time === null ? Number.NaN : Date.parse(time) - Date.parse(noticed));
  const last = (step: 'offered' | 'accepted' | 'written' | 'proven'): number =>
    Math.max(...clusterSteps.map((cluster) => since(cluster[step])));
  return {
    fetched: since(hub.fetched),
    judged: since(hub.judged),
    compiled: since(hub.compiled),
    offered: last('offered'),
    accepted: last('accepted'),
    written: last('written'),
    proven: last('proven'),
  };
};

interface Measured {
  /** Time in ms from the return of `git push` until the hub had the proof of the last cluster. */
  readonly ms: number;
  readonly activity: CommitActivity;
}

/**
 * Commits a change of one policy that applies to every cluster. Resolves once all of them enforce
 * it.
 */
const enforceChange = async (world: World, round: number, signal: AbortSignal): Promise<Measured> => {
  const revision = await pushChange(world, round);
  const pushed = Date.now();
  const look = async (): Promise<CommitActivity | undefined> => {
    world.assertRunning();
    // The times come from the hub, so few requests suffice and the hub is not busy answering them.
    await delay(POLL_MS, undefined, { signal });
    const activity = await world.hub.commit(revision, signal);
    return activity.state === 'enforced' ? activity : undefined;
  };
  const activity = await until(`every cluster enforces ${revision}`, look, signal);
  return { ms: Math.max(...activity.clusterSteps.map(({ proven }) => Date.parse(proven ?? ''))) - pushed, activity };
};

const measureFloor = async (world: World, count: number, signal: AbortSignal): Promise<number[]> => {
  const floors = world.clusters.map(({ kubeconfig }) => new ClusterFloor(kubeconfig));
  try {
    await Promise.all(floors.map((floor) => floor.prepare()));
    const times: number[] = [];
    for (let round = 1; round < count; round += 1) {
      signal.throwIfAborted();
      const begin = performance.now();
      await world.repository.git('fetch', '--quiet', 'origin');
      await Promise.all(floors.map((floor) => floor.change()));
      times.push(performance.now() - begin);
    }
    return times;
  } finally {
    for (const floor of floors) floor.close();
  }
};

interface Settings {
  /** Number of uncounted commits at the start. */
  readonly warmUp: number;
  readonly commits: number;
  /** Time in s for which the fleet is measured at rest. */
  readonly idleSeconds: number;
}

const measureOn = async (
  world: World,
  stateDir: string,
  { warmUp, commits, idleSeconds }: Settings,
  signal: AbortSignal,
): Promise<Result> => {
  await world.startFleet(signal);
  await createNamespaces(world, signal);
  await world.startGit();
  await world.startHub();
  await world.startAgents();
  await everyClusterProven(world, signal);
  const names = world.clusters.map(({ name }) => name);
  const programs = new Map([...Object.entries(world.pids()), ...clusterPrograms(stateDir, names)]);
  const usage = () =>
    readUsage(
      programs,
      world.clusters.map(({ kubeconfig }) => kubeconfig),
    );
  let round = 0;
  const changes = async (count: number): Promise<readonly Measured[]> => {
    const measured: Measured[] = [];
    for (let left = count; left > 0; left -= 1) {
      round += 1;
      measured.push(await enforceChange(world, round, signal));
    }
    await delay(SETTLE_MS, undefined, { signal });
    return measured;
  };
  const start = await usage();
  await changes(warmUp);
  const atRest = await usage();
  await delay(idleSeconds * 1000, undefined, { signal });
  const begin = await usage();
  const measured = await changes(commits);
  const idle = between(atRest, begin);
  const inWarmUp = above(between(start, atRest), idle);
  return {
    warmUpCpuMs: new Map([...inWarmUp.cpuMs].map(([name, spent]) => [name, spent / Math.max(1, warmUp)])),
    stages: measured.map(({ activity }) => stagesOf(activity)),
    pushedToEnforced: measured.map(({ ms }) => ms),
    idle,
    commits: above(between(begin, await usage()), idle),
    floor: await measureFloor(world, commits, signal),
  };
};

const ms = (value: number): string => `${Math.round(value)} ms`;
const middle = (values: readonly number[]): number => percentile(values, 0.5);

const stageRows = ({ stages }: Result): Record<string, string> => {
  const order = ['fetched', 'judged', 'compiled', 'offered', 'accepted', 'written', 'proven'] as const;
  return Object.fromEntries(order.map((stage) => [`noticed → ${stage}, half of the commits`, ms(middle(stages.map((one) => one[stage])))]));
};

const rowsOf = (result: Result, clusters: number): Record<string, string> => {
  const { pushedToEnforced, floor, commits, idle, warmUpCpuMs } = result;
  const count = pushedToEnforced.length;
  const cpu = [...commits.cpuMs].map(([name, total]) => [
    `CPU of a commit, ${name} (in the warm-up)`,
    `${ms(total / count)} (${ms(warmUpCpuMs.get(name) ?? 0)})`,
  ]);
  const total = [...commits.cpuMs.values()].reduce((sum, one) => sum + one, 0);
  const requests = [...commits.requests]
    .map(([name, all]) => [name, all / count / clusters] as const)
    .filter(([, each]) => each >= 0.05)
    .toSorted(([, a], [, b]) => b - a);
  const all = requests.reduce((sum, [, each]) => sum + each, 0);
  const idleCpu = [...idle.cpuMs].map(([name, spent]) => [`CPU at rest, ${name}`, `${((100 * spent) / idle.at).toFixed(1)} % of a core`]);
  return {
    'push → enforced in all clusters, half of the commits': ms(middle(pushedToEnforced)),
    'push → enforced in all clusters, 99 %': ms(percentile(pushedToEnforced, 0.99)),
    'floor: fetch, writes, uptake by Gatekeeper; half': ms(middle(floor)),
    'times the floor': (middle(pushedToEnforced) / middle(floor)).toFixed(1),
    ...stageRows(result),
    'CPU of a commit, all programs': ms(total / count),
    ...Object.fromEntries(cpu),
    'requests to each API server for a commit': all.toFixed(1),
    ...Object.fromEntries(requests.map(([name, each]) => [`  ${name}`, each.toFixed(1)])),
    ...Object.fromEntries(idleCpu),
  };
};

/**
 * Measures successive commits that change one policy in three real clusters: the time of each
 * stage, the CPU of each program and the requests to the API servers beyond those at rest, and a
 * floor in the same run.
 */
export const commit = async (args: string[], signal: AbortSignal): Promise<void> => {
  const options = {
    'warm-up': { type: 'string', default: '50' },
    commits: { type: 'string', default: '50' },
    idle: { type: 'string', default: '30' },
    json: { type: 'string' },
  } as const;
  const { values } = parseArgs({ args, options });
  const settings: Settings = { warmUp: Number(values['warm-up']), commits: Number(values.commits), idleSeconds: Number(values.idle) };
  const stateDir = await mkdtemp(join(tmpdir(), 'fso-bench-commit-'));
  const world = await World.open({ stateDir, log: (line) => console.error(line) });
  try {
    const result = await measureOn(world, stateDir, settings, signal);
    const rows = rowsOf(result, world.clusters.length);
    printRows(`${settings.commits} commits of one policy, ${world.clusters.length} clusters, ${cpus().length} cores shared by all`, rows);
    const { stages, pushedToEnforced, floor, warmUpCpuMs } = result;
    await writeFigures(values.json, { settings, rows, stages, pushedToEnforced, floor, warmUpCpuMs: Object.fromEntries(warmUpCpuMs) });
  } finally {
    await world.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
};
