/**
 * Upgrades a hub and the agents of two clusters from an older version of this repository to the
 * working tree, and back, and compares what is in force before and after each step.
 *
 *   npm run test:upgrade -- --from <commit or tag> [--agents-only] [--allow-object-changes] [--protocol-break]
 */
import { messageOf, shutdownSignal } from '@fso/shared/runtime';
import { readOptions, refuseOptions } from '../harness/options.ts';
import { addCounts } from './admission-probe.ts';
import { type StepResult, type UpgradeOptions, upgrade } from './upgrade.ts';

const USAGE = 'npm run test:upgrade -- --from <commit or tag> [--agents-only] [--allow-object-changes] [--protocol-break]';
const values = readOptions(USAGE, {
  from: { type: 'string' },
  'agents-only': { type: 'boolean' },
  'allow-object-changes': { type: 'boolean' },
  'protocol-break': { type: 'boolean' },
});
const from = values.from ?? refuseOptions(USAGE);

const HEADINGS = ['step', 'seconds', 'pods tried', 'bad admitted', 'good refused', 'errors', 'paths changed'];

const NOTHING: StepResult = { step: 'all', seconds: 0, changes: 0, tries: 0, badAdmitted: 0, goodRefused: 0, errors: 0 };
const add = (sum: StepResult, one: StepResult): StepResult => ({
  step: sum.step,
  seconds: sum.seconds + one.seconds,
  changes: sum.changes + one.changes,
  ...addCounts(sum, one),
});

const printTable = (steps: readonly StepResult[]): void => {
  const total = steps.reduce(add, NOTHING);
  const rows = [...steps, total].map(({ step, seconds, tries, badAdmitted, goodRefused, errors, changes }) => [
    step,
    seconds.toFixed(1),
    ...[tries, badAdmitted, goodRefused, errors, changes].map(String),
  ]);
  const lines = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0));
  for (const line of lines) console.log(line.map(pad).join('  '));
};

const options: UpgradeOptions = {
  from,
  agentsOnly: values['agents-only'] === true,
  allowObjectChanges: values['allow-object-changes'] === true,
  protocolBreak: values['protocol-break'] === true,
  log: (line) => console.log(line),
};

try {
  const { steps, problems } = await upgrade(options, shutdownSignal());
  printTable(steps);
  const [first] = problems;
  if (first === undefined) console.log('nothing but the version has changed');
  else {
    console.error(`an upgrade changes more than the version; problems: ${problems.length}, the first at ${first}`);
    process.exitCode = 1;
  }
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
