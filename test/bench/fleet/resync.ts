import { besideAim, mib, percentile, seconds } from '../figures.ts';
import { readOptions, readShare } from '../options.ts';
import { measureHandshakes } from './bare-streams.ts';
import { API_TOKEN, type BenchFleet, dialsOf, pssOf, publish, withFleet } from './fleet.ts';
import { readHubRows } from './hub-rows.ts';
import { now } from './orders.ts';
import { differencesOf } from './rows.ts';
import { FLEET_OPTIONS, type FleetSettings, toFleetSettings } from './settings.ts';

const OPTIONS = { ...FLEET_OPTIONS, changed: { type: 'string', default: '0' } } as const;
const MAX_SHOWN = 10;

interface ResyncSettings extends FleetSettings {
  /** Share of the policies of each agent that fail while the hub is away. */
  readonly changed: number;
}

const readSettings = (args: string[]): ResyncSettings => {
  const values = readOptions(args, OPTIONS);
  return { ...toFleetSettings(values), proof: 'certificate', changed: readShare('changed', values.changed) };
};

interface Comparison {
  readonly text: string;
  /** Lines for the clusters that the hub shows differently from their agents. */
  readonly differences: readonly string[];
}

/** Compares the state at the hub with that of the agents. */
const compare = async (fleet: BenchFleet): Promise<Comparison> => {
  const agents = await fleet.rows();
  const differences = differencesOf(agents, await readHubRows({ url: fleet.hub.url, token: API_TOKEN }));
  const sum = (field: 'total' | 'failed'): number => [...agents.values()].reduce((all, rows) => all + rows[field], 0);
  const text = `${sum('total')} in ${agents.size} clusters, ${sum('failed')} of them failed; ${differences.length} clusters differ`;
  return { text, differences };
};

/**
 * Measures the time after a `kill -9` of the hub until all agents are back and the hub knows their
 * state. With `--changed`, a share of each agent's policies fails meanwhile. Fails if the hub then
 * shows a cluster differently from its agent.
 */
export const resync = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings = readSettings(args);
  let differences: readonly string[] = [];
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const before = pssOf(fleet.hub);
    const floor = await measureHandshakes(fleet);
    const begin = now();
    await fleet.hub.kill();
    if (settings.changed > 0) fleet.order({ type: 'turn', cause: 'failing', share: settings.changed, pick: 'drawn' });
    const settled = fleet.allSettled();
    await fleet.hub.start();
    const started = now();
    const back = await settled;
    const times = back.map(({ at }) => at - started);
    const last = Math.max(...times);
    const greeted = Math.max(...back.map(({ greetedAt }) => greetedAt)) - started;
    const [cpuMs, after] = [fleet.cpuMs(), pssOf(fleet.hub)];
    const comparison = await compare(fleet);
    differences = comparison.differences;
    return {
      'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}, ${first.dials} connections begun`,
      'memory of the hub then, PSS': mib(before),
      'floor: bare handshakes of all agents': seconds(floor),
      'kill -9, until the hub answers again': seconds(started - begin),
      'its first answer, until it has greeted the last agent': seconds(greeted),
      'its first answer, until half of the agents are back and equal': seconds(percentile(times, 0.5)),
      'its first answer, until the last agent is back and equal': seconds(last),
      'times the floor': besideAim((last / floor).toFixed(2), '≤ 2'),
      "the hub's CPU since its start": seconds(cpuMs),
      'connections that agents began since the kill': dialsOf(back),
      'reports of policies sent': back.reduce((sum, { policies }) => sum + policies, 0),
      'memory of the hub, PSS': mib(after),
      'policies, as agents have them, beside what the hub has': comparison.text,
    };
  });
  await publish(settings, rows);
  if (differences.length > 0)
    throw new Error(`the hub shows clusters differently from their agents:\n${differences.slice(0, MAX_SHOWN).join('\n')}`);
};
