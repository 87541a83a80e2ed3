import { percentile, seconds } from '../figures.ts';
import { type FleetSettings, fleetSettings, pssOf, publish, type Reported, withFleet } from './fleet.ts';

const ROUNDS = 3;

/** From the commit of a change to one policy until each agent has it in force and the hub knows; the poll of the repository is a part of it. */
export const fanout = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings: FleetSettings = fleetSettings(args);
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    // The first commit finds code that was never run.
    await fleet.commitOne();
    const cpu = fleet.cpuMs();
    const reported: Reported[] = [];
    for (let round = 0; round < ROUNDS; round += 1) reported.push(...(await fleet.commitOne()));
    const times = reported.map(({ at }) => at);
    return {
      'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}`,
      'the first offer to one agent': `${first.bytes} B`,
      'commit → known to be in force, half of the agents': seconds(percentile(times, 0.5)),
      'commit → known to be in force, 99 % of the agents': seconds(percentile(times, 0.99)),
      'the offer to one agent': `${Math.max(...reported.map(({ bytes }) => bytes))} B`,
      "the hub's CPU for one commit": seconds((fleet.cpuMs() - cpu) / ROUNDS),
      'memory of the hub, PSS': `${Math.round(pssOf(fleet.hub) / 1_048_576)} MiB`,
    };
  });
  await publish(settings, rows);
};
