import { percentile, seconds } from '../figures.ts';
import { type FleetSettings, fleetSettings, now, pssOf, publish, withFleet } from './fleet.ts';

/** What it takes until all agents are back, and known to be as they were, after `kill -9` of the hub. */
export const resync = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings: FleetSettings = fleetSettings(args);
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const before = pssOf(fleet.hub);
    const settled = fleet.allSettled();
    const begin = now();
    await fleet.hub.kill();
    await fleet.hub.start();
    const started = now();
    const back = await settled;
    const times = back.map(({ at }) => at - begin);
    return {
      'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}`,
      'memory of the hub then, PSS': `${Math.round(before / 1_048_576)} MiB`,
      'kill -9, until the hub answers again': seconds(started - begin),
      'kill -9, until half of the agents are back and equal': seconds(percentile(times, 0.5)),
      'kill -9, until the last agent is back and equal': seconds(Math.max(...times)),
      "the hub's CPU since its start": seconds(fleet.cpuMs()),
      'reports of policies sent again': back.reduce((sum, { policies }) => sum + policies, 0),
      'memory of the hub, PSS': `${Math.round(pssOf(fleet.hub) / 1_048_576)} MiB`,
    };
  });
  await publish(settings, rows);
};
