/**
 * The differential oracle of the residency decision: TypeScript, Rego and CEL against Kubernetes'
 * own matcher.
 *
 *   npm run test:oracle
 *   npm run test:oracle -- --seed 42 --pods 1000 --rego 0 --cel 0
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { CommandError } from '../../../clusters/toolchain/command-error.ts';
import { type OracleOptions, runOracle } from './oracle.ts';
import { findingText, mismatchText, table, verdictTable } from './report.ts';
import { compareVerdicts } from './verdicts.ts';

type Log = (line: string) => void;

const USAGE = `usage: npm run test:oracle -- [options]

  --seed <number>  seed of the generated pods; default: a random one, which is printed
  --pods <count>   pods for the TypeScript implementation, default 1000000
  --rego <count>   pods for the Rego implementation, default 20000
  --cel <count>    pods for the CEL implementation on a real API server, default 20000
  --verdicts <count>  workloads for plan, audit, checker and both locks, which must give equal verdicts, default 10000
  --help           this text

A count of 0 leaves an implementation out. Exit code 1: something does not fit, docs/residency.md says how to read it.`;

const integer = (name: string, text: string, min: number): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > 2 ** 31 - 1)
    throw new CommandError(`--${name} ${text}: not a whole number from ${min} on`);
  return value;
};

interface Options extends Omit<OracleOptions, 'log'> {
  /** Workloads of which verdicts are compared. */
  readonly workloads: number;
}

const read = (args: string[]): Options | undefined => {
  const option = (fallback: string) => ({ type: 'string' as const, default: fallback });
  const { values } = parseArgs({
    args,
    options: {
      seed: option(String(randomInt(2 ** 31 - 1))),
      pods: option('1000000'),
      rego: option('20000'),
      cel: option('20000'),
      verdicts: option('10000'),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    seed: integer('seed', values.seed, -(2 ** 31)),
    workloads: integer('verdicts', values.verdicts, 0),
    pods: { typescript: integer('pods', values.pods, 0), rego: integer('rego', values.rego, 0), cel: integer('cel', values.cel, 0) },
  };
};

/** @returns what does not fit */
const runAll = async ({ workloads, ...options }: Options, log: Log, signal: AbortSignal): Promise<readonly string[]> => {
  const { columns, known } = await runOracle({ ...options, log }, signal);
  if (columns.length > 0) console.log(`\n${table(columns)}\n`);
  const problems = [...known.map(mismatchText), ...columns.flatMap(({ result }) => (result.finding ? [findingText(result.finding)] : []))];
  if (workloads === 0) return problems;
  const report = await compareVerdicts({ seed: options.seed, workloads, log }, signal);
  console.log(`\n${verdictTable(report)}\n${report.differing} verdicts differ\n`);
  return [...problems, ...report.differences];
};

const run = async (options: Options, signal: AbortSignal): Promise<number> => {
  const started = performance.now();
  console.log(`seed ${options.seed}`);
  const log: Log = (line) => console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${line}`);
  const problems = await runAll(options, log, signal);
  for (const problem of problems) console.log(`${problem}\n`);
  console.log(problems.length === 0 ? `no mismatch; seed ${options.seed}` : `does not fit; seed ${options.seed}`);
  return problems.length === 0 ? 0 : 1;
};

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new CommandError(`stopped by ${name}`)));

try {
  const options = read(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else process.exitCode = await run(options, stop.signal);
} catch (error) {
  const reason = stop.signal.aborted ? stop.signal.reason : error;
  const usage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true;
  console.error(reason instanceof CommandError || usage ? `oracle: ${(reason as Error).message}` : reason);
  process.exitCode = usage ? 2 : 1;
}
