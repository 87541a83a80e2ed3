import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { percentile, writeFigures } from '../figures.ts';
import { measureFanout } from '../fleet/fanout.ts';
import { withFleet } from '../fleet/fleet.ts';
import { FLEET_OPTIONS, type FleetSettings, toFleetSettings } from '../fleet/settings.ts';
import { readCount, readCounts, readOptions, UsageError } from '../options.ts';
import { type Chart, drawChart } from './chart.ts';

const ROOT = join(import.meta.dirname, '../../..');
const OPTIONS = {
  ...FLEET_OPTIONS,
  agents: { type: 'string', default: '250,1000,3000,6000' },
  commits: { type: 'string', default: '3' },
  svg: { type: 'string', default: join(ROOT, 'docs/images/fleet-curve.svg') },
} as const;

/** Figures of a fleet of one size. */
interface FleetPoint {
  readonly agents: number;
  /** Time in seconds until the hub has all reports. */
  readonly first: number;
  /**
   * Time in seconds from a commit until a reader of live events knows that 99 % of the agents
   * enforce it.
   */
  readonly commit: number;
  /** CPU time of the hub for one agent and one commit, in milliseconds. */
  readonly cpuMs: number;
  /** PSS of the hub. */
  readonly memoryMiB: number;
}

const measurePoint = (settings: FleetSettings, commits: number, signal: AbortSignal): Promise<FleetPoint> =>
  withFleet(settings, signal, async (fleet, first) => {
    const measured = await measureFanout(fleet, first, commits);
    return {
      agents: settings.agents,
      first: first.ms / 1000,
      commit: percentile(measured.commits.seen, 0.99) / 1000,
      cpuMs: measured.commits.cpuMs / settings.agents,
      memoryMiB: measured.pss / 1_048_576,
    };
  });

const chartOf = (points: readonly FleetPoint[], { policies, database }: FleetSettings): Chart => {
  const series = (name: string, field: Exclude<keyof FleetPoint, 'agents'>) => ({
    name,
    points: points.map((point) => ({ x: point.agents, y: point[field] })),
  });
  return {
    title: `What a fleet costs its hub, by agents: ${policies} policies, ${database} ledger, ${cpus().length} cores shared with the agents`,
    xTitle: 'agents',
    panels: [
      {
        title: 'Until the hub, or a reader, knows',
        unit: 'seconds',
        series: [series('first round', 'first'), series('commit, 99 %', 'commit')],
      },
      { title: 'CPU of the hub', unit: 'ms for an agent and a commit', series: [series('CPU', 'cpuMs')] },
      { title: 'Memory of the hub', unit: 'MiB, PSS', series: [series('memory', 'memoryMiB')] },
    ],
  };
};

const HEAD = ['agents', 'first round, s', 'commit → 99 %, s', 'CPU for an agent and a commit, ms', 'memory, PSS, MiB'];

const lineOf = ({ agents, first, commit, cpuMs, memoryMiB }: FleetPoint): string =>
  [String(agents), first.toFixed(2), commit.toFixed(2), cpuMs.toFixed(2), memoryMiB.toFixed(0)]
    .map((cell, at) => cell.padStart(HEAD[at]?.length ?? 0))
    .join(' | ');

/** Measures the cost of fleets of several sizes for the hub, as a table and a picture. */
export const curve = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { agents, commits, ...values } = readOptions(args, OPTIONS);
  const sizes = readCounts('agents', agents);
  const count = readCount('commits', commits);
  if (!values.svg.endsWith('.svg')) throw new UsageError(`--svg ${values.svg}: must end in .svg`);
  const settings = toFleetSettings({ ...values, agents: String(sizes.at(-1)) });
  const points: FleetPoint[] = [];
  console.log(HEAD.join(' | '));
  for (const size of sizes) {
    const point = await measurePoint({ ...settings, agents: size }, count, signal);
    points.push(point);
    console.log(lineOf(point));
  }
  await mkdir(dirname(values.svg), { recursive: true });
  await writeFile(values.svg, drawChart(chartOf(points, settings)));
  console.log(`${values.svg} is written`);
  await writeFigures(settings.json, { settings, points });
};
