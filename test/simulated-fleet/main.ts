import { shutdownSignal, untilAborted } from '@fso/shared/runtime';
import { Command } from 'commander';
import { openSimulatedWorld } from './world.ts';

/** `npm run dashboard:seeded`: a hub with a simulated fleet, for trying out the dashboard. */

const { seed, port } = new Command('dashboard:seeded')
  .description('A hub with 1,000 policies and 500 clusters with simulated agents, to look at the dashboard at scale.')
  .option('--seed <number>', 'another fleet', Number, 1)
  .option('--port <number>', 'of the hub; default: a free one', Number)
  .parse()
  .opts<{ seed: number; port?: number }>();

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const signal = shutdownSignal();

const world = await openSimulatedWorld({ seed, port, log: print });
print(`\ndashboard    ${world.hub.url}/ (no login: the hub runs without authentication)\n\nCtrl-C ends all of it.`);
await untilAborted(signal);
await world.stop();
