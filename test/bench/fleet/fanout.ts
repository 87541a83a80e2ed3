import { setTimeout as delay } from 'node:timers/promises';
import { besideAim, kib, mib, milliseconds, percentile, seconds } from '../figures.ts';
import { readCount, readOptions, readShare } from '../options.ts';
import { type CommitSizes, measureExchange } from './bare-streams.ts';
import { API_TOKEN, type BenchFleet, type Committed, type FirstRound, pssOf, publish, withFleet } from './fleet.ts';
import { LiveReader } from './live-reader.ts';
import { now } from './orders.ts';
import { FLEET_OPTIONS, type FleetSettings, toFleetSettings } from './settings.ts';
import { readSendQueues, type SendQueues } from './tcp-queues.ts';

const OPTIONS = {
  ...FLEET_OPTIONS,
  stalled: { type: 'string', default: '0' },
  commits: { type: 'string', default: '3' },
  floor: { type: 'boolean', default: false },
} as const;
/** Number of commits of all policies, whose offers close the windows of most stalled agents. */
const FILLS = 10;
/** Duration of two rounds of pings. */
const REST_MS = 30_000;

/** Figures of commits that change one policy each. Times in ms. */
export interface CommitFigures {
  /** Times at which the agents reported the commit as in force, of all commits together. */
  readonly reported: readonly number[];
  /** Times at which a reader of live events knew of it. */
  readonly seen: readonly number[];
  readonly sizes: CommitSizes;
  /** CPU time of the hub for one commit. */
  readonly cpuMs: number;
  /** Time that one commit took. */
  readonly wallMs: number;
}

/** Commits changes of one policy, this many times. */
const measureCommits = async (fleet: BenchFleet, reader: LiveReader, commits: number): Promise<CommitFigures> => {
  const [cpu, begin] = [fleet.cpuMs(), now()];
  const all: Committed[] = [];
  for (let n = 0; n < commits; n += 1) all.push(await fleet.commit(1, reader));
  const reported = all.flatMap((commit) => commit.reported);
  return {
    reported: reported.map(({ at }) => at),
    seen: all.flatMap(({ seen }) => seen),
    sizes: {
      offer: Math.max(...reported.map(({ bytes }) => bytes)),
      report: Math.max(...reported.map(({ reportBytes }) => reportBytes)),
    },
    cpuMs: (fleet.cpuMs() - cpu) / commits,
    wallMs: (now() - begin) / commits,
  };
};

/** Measures the hub's share of a core at rest. */
const measureRest = async (fleet: BenchFleet): Promise<number> => {
  const [cpu, begin] = [fleet.cpuMs(), now()];
  await delay(REST_MS);
  return (fleet.cpuMs() - cpu) / (now() - begin);
};

export interface Fanout {
  readonly first: FirstRound;
  readonly commits: CommitFigures;
  /** The hub's share of a core at rest. */
  readonly rest: number;
  /** PSS of the hub after the commits. */
  readonly pss: number;
}

/** Measures commits in a fleet that has reported. */
export const measureFanout = async (fleet: BenchFleet, first: FirstRound, commits: number): Promise<Fanout> => {
  const reader = new LiveReader();
  await reader.open(fleet.hub.url, API_TOKEN);
  // Uncounted: V8 compiles code during the first commit.
  await fleet.commit(1, reader);
  const figures = await measureCommits(fleet, reader, commits);
  await reader.close();
  return { first, commits: figures, rest: await measureRest(fleet), pss: pssOf(fleet.hub) };
};

interface Stalled {
  /** Number of agents that do not read. */
  readonly count: number;
  /** Send queues when these agents read nothing, after commits of all policies. */
  readonly queues: SendQueues;
  /** Commits before the agents stall. */
  readonly before: CommitFigures;
  readonly commits: CommitFigures;
  /** Number of their reconnections, after the hub or their own agent had ended the stream. */
  readonly returns: number;
  readonly pss: number;
}

/** Measures commits of one policy that follow commits of all policies. */
const measureAfterFills = async (fleet: BenchFleet, { policies, commits }: FanoutSettings): Promise<CommitFigures> => {
  for (let fill = 0; fill < FILLS; fill += 1) await fleet.commit(policies);
  const reader = new LiveReader();
  await reader.open(fleet.hub.url, API_TOKEN);
  // Resolves once the hub has processed the reports of the fills.
  await fleet.commit(1, reader);
  const figures = await measureCommits(fleet, reader, commits);
  await reader.close();
  return figures;
};

/**
 * Measures the same commits before and after a share of the agents stalls. The fills before both
 * close the windows of the stalled agents, and leave the hub, the repository and the machine in the
 * same state.
 */
const measureStalled = async (fleet: BenchFleet, clusters: readonly string[], settings: FanoutSettings): Promise<Stalled> => {
  const before = await measureAfterFills(fleet, settings);
  let returns = 0;
  fleet.news.listen((news) => {
    if (news.type === 'stalled') returns += 1;
  });
  fleet.stall(clusters);
  const commits = await measureAfterFills(fleet, settings);
  const queues = readSendQueues(Number(new URL(fleet.hub.agentUrl).port));
  return { count: clusters.length, queues, before, commits, returns, pss: pssOf(fleet.hub) };
};

interface FanoutSettings extends FleetSettings {
  /** Share of the agents that stop reading. */
  readonly stalled: number;
  /** Number of measured commits. */
  readonly commits: number;
  /** Whether to measure the floor. */
  readonly floor: boolean;
}

const readSettings = (args: string[]): FanoutSettings => {
  const values = readOptions(args, OPTIONS);
  return {
    ...toFleetSettings(values),
    stalled: readShare('stalled', values.stalled),
    commits: readCount('commits', values.commits),
    floor: values.floor,
  };
};

const rowsOf = ({ first, commits, rest, pss }: Fanout, agents: number): Record<string, string> => ({
  'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}, ${first.dials} connections begun`,
  'the first offer to one agent': `${first.bytes} B`,
  'commit → reported to be in force, half of the agents': seconds(percentile(commits.reported, 0.5)),
  'commit → reported to be in force, 99 % of the agents': seconds(percentile(commits.reported, 0.99)),
  'commit → a reader of live events knows, half': seconds(percentile(commits.seen, 0.5)),
  'commit → a reader of live events knows, 99 %': seconds(percentile(commits.seen, 0.99)),
  'the offer to one agent, its report': `${commits.sizes.offer} B, ${commits.sizes.report} B`,
  "the hub's CPU for one commit": `${seconds(commits.cpuMs)}, without what it takes at rest ${seconds(commits.cpuMs - rest * commits.wallMs)}`,
  'of it for one agent': milliseconds((commits.cpuMs - rest * commits.wallMs) / agents),
  'memory of the hub, PSS': mib(pss),
});

const floorRows = async (fleet: BenchFleet, { sizes }: CommitFigures): Promise<Record<string, string>> => ({
  'floor: the same messages over bare WebSockets and TLS, CPU for one agent': milliseconds(await measureExchange(fleet, sizes)),
});

const stalledRows = (stalled: Stalled): Record<string, string> => {
  const [before, with_] = [stalled.before, stalled.commits].map(({ seen }) => percentile(seen, 0.99));
  const ratio = ((with_ ?? 0) / (before ?? 1)).toFixed(2);
  return {
    'agents that stop reading': `${stalled.count}, of ${stalled.queues.full} the TCP window is closed, ${kib(stalled.queues.bytes)} wait in the kernel`,
    'with them, a reader knows of half of the others': seconds(percentile(stalled.commits.seen, 0.5)),
    'with them, a reader knows of 99 % of the others': `${seconds(with_ ?? 0)}, without them ${seconds(before ?? 0)}`,
    'with them, times as long': besideAim(ratio, '≤ 1.10'),
    "with them, the hub's CPU for one commit": `${seconds(stalled.commits.cpuMs)}, without them ${seconds(stalled.before.cpuMs)}`,
    'connections that they made again': String(stalled.returns),
    'with them, memory of the hub, PSS': mib(stalled.pss),
  };
};

/**
 * Measures a change of one policy from its commit until each agent enforces it and a reader of live
 * events knows. This includes the poll of the repository. With `--stalled`, measures the same again
 * while a share of the agents reads nothing. With `--floor`, measures the messages alone.
 */
export const fanout = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings = readSettings(args);
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const measured = await measureFanout(fleet, first, settings.commits);
    const rows = { ...rowsOf(measured, settings.agents), ...(settings.floor && (await floorRows(fleet, measured.commits))) };
    const count = Math.round(settings.agents * settings.stalled);
    if (count === 0) return rows;
    // Evenly spread over the processes, instead of the first ones.
    const clusters = Array.from({ length: count }, (_, n) => `cluster-${Math.floor(n / settings.stalled)}`);
    return { ...rows, ...stalledRows(await measureStalled(fleet, clusters, settings)) };
  });
  await publish(settings, rows);
};
