/**
 * `npm test`: everything there is to prove, in one run, with one closing line `N passed, N failed`.
 *
 *   npm test                     static checks, then browser, integration, attacks, trust, unit and e2e, then rights, one node and blind
 *   npm test -- unit integration only these
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { mapConcurrently } from '@fso/shared/runtime';
import { endProcesses, RUN_VARIABLE } from '../clusters/processes.ts';
import keepAuditLogs from './harness/audit-logs.ts';
import { endLeftProcesses, findByRun } from './harness/left-processes.ts';
import { type Failure, REPORT_VARIABLE, type Report } from './harness/report.ts';

const root = new URL('..', import.meta.url).pathname;
const REPORTER = './test/harness/report.ts';
/** Id of this run, in the environment of each of its processes. */
const RUN = randomUUID();

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Location and message of each failure. */
  readonly failures?: readonly string[];
  readonly files?: readonly { readonly name: string; readonly ms: number }[];
}

const SLOWEST = 10;

/** Whether this run was told to end, and starts no further suite. */
let isEnding = false;

/** Ends the programs of the suites, which then fail. The run goes on to its end, and cleans up. */
const endSuites = (signal: NodeJS.Signals): void => {
  isEnding = true;
  console.error(`${signal}: ending the programs of this run`);
  void endProcesses(findByRun(RUN), 'SIGTERM');
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endSuites);

const run = (program: string, args: string[], more: NodeJS.ProcessEnv = {}): Promise<number> =>
  new Promise((resolve) => {
    const env = { ...process.env, [RUN_VARIABLE]: RUN, ...more };
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env });
    child.on('error', (error) => {
      console.error(`cannot start ${program}: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });

/** A static check counts as one test. */
async function staticCheck(script: string): Promise<Count> {
  const code = await run('npm', ['run', '--silent', script]);
  return code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0, failures: [`${script}: see above`] };
}

/**
 * A program's log stands below the first line of an error: it is seldom to be had once the run is
 * over.
 */
const MOST_LINES = 15;

const messageLines = (text: string): string => text.split('\n').slice(0, MOST_LINES).join('\n      ');

const textOf = ({ file, name, message }: Failure, project: string): string => {
  const owner = file === undefined ? project : relative(root, file);
  return `${[owner, name].filter((part) => part !== '').join(' > ')}: ${messageLines(message)}`;
};

async function vitest(project: string, ...more: string[]): Promise<Count> {
  const folder = await mkdtemp(join(tmpdir(), 'fso-test-'));
  const path = join(folder, 'report.json');
  try {
    const args = ['run', '--project', project, '--reporter=verbose', `--reporter=${REPORTER}`, ...more];
    const code = await run('vitest', args, { [REPORT_VARIABLE]: path });
    const report = JSON.parse(await readFile(path, 'utf8')) as Report;
    const failures = report.failures.map((failure) => textOf(failure, project));
    if (failures.length === 0 && code !== 0) failures.push(`${project}: ended with ${code}, see above`);
    return {
      passed: report.passed,
      failed: failures.length,
      skipped: report.skipped,
      failures,
      files: report.files.map((file) => ({ name: relative(root, file.path), ms: file.ms })),
    };
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${project}: no report: ${(error as Error).message}`] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Suites = Readonly<Record<string, () => Promise<Count>>>;

/** Two at a time: each keeps a core busy. */
const FIRST: Suites = {
  types: () => staticCheck('types'),
  lint: () => staticCheck('lint'),
  dead: () => staticCheck('dead'),
  gen: () => staticCheck('gen:check'),
};

/** @returns one suite in parts, which run beside each other */
const inParts = (project: string, count: number): Suites =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => `${index + 1}/${count}`).map((part) => [
      `${project} ${part}`,
      () => vitest(project, `--shard=${part}`),
    ]),
  );

/**
 * These files share one fleet, which takes as long to make as they take to look at twenty pages of
 * it: it is made once.
 */
const SIMULATED_FLEET = 'test/browser/simulated-fleet/';

/** The part of the deploy suite that is short. */
const ONE_NODE = 'test/deploy/one-node.test.ts';

/**
 * Four at a time: each waits much for the programs that it started; with more they wait for each
 * other. The longest are in parts, and the short ones come last, so that no core is without work in
 * the end.
 */
const THEN: Suites = {
  'browser of the simulated fleet': () => vitest('browser', SIMULATED_FLEET),
  'browser of other hubs': () => vitest('browser', `--exclude=${SIMULATED_FLEET}**`),
  ...inParts('integration', 4),
  attacks: () => vitest('attacks'),
  trust: () => vitest('trust'),
  unit: () => vitest('unit'),
  e2e: () => vitest('e2e'),
};
const LANES = 4;

/**
 * `rights` reads what the others recorded. A node changes the networks of the machine, which ends
 * requests of browsers. The agents of `blind` have a tenth of the time that others have until what
 * they saw is out of date: beside all other suites they may get too little of the processor to see
 * anything.
 */
const LAST: Suites = {
  rights: () => vitest('rights'),
  deploy: () => vitest('deploy', ONE_NODE),
  blind: () => vitest('blind'),
};

/** @param label of a suite, or of a part of it */
const nameOf = (label: string): string => label.split(' ', 1)[0] ?? label;
const names = [...new Set([FIRST, THEN, LAST].flatMap((suites) => Object.keys(suites).map(nameOf)))];
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`unknown suite ${unknown.join(', ')}; there are: ${names.join(', ')}`);
  process.exit(2);
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

const started = Date.now();

/** @param lanes how many run beside each other */
const runSuites = (suites: Suites, lanes: number): Promise<Count[]> => {
  const chosen = Object.entries(suites).filter(([name]) => wanted.length === 0 || wanted.includes(nameOf(name)));
  return mapConcurrently(chosen, lanes, async ([name, suite]) => {
    if (isEnding) return { passed: 0, failed: 1, skipped: 0, failures: [`${name}: not run`] };
    const at = Date.now();
    console.log(`\n── ${name}`);
    const count = await suite();
    console.log(`── ${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${seconds(Date.now() - at)}`);
    return count;
  });
};

const removeAuditLogs = await keepAuditLogs();
const counts = [...(await runSuites(FIRST, 2)), ...(await runSuites(THEN, LANES)), ...(await runSuites(LAST, 2))];
await removeAuditLogs();
const left = (await endLeftProcesses(RUN)).map((process) => `left running, ended now: ${process}`);
const sumOf = (of: (count: Count) => number): number => counts.reduce((sum, count) => sum + of(count), 0);
const [passed, failed, skipped] = [
  sumOf((count) => count.passed),
  sumOf((count) => count.failed) + left.length,
  sumOf((count) => count.skipped),
];

const slowest = counts.flatMap(({ files = [] }) => files).sort((a, b) => b.ms - a.ms);
if (slowest.length > 0) console.log('\nslowest files:');
for (const { name, ms } of slowest.slice(0, SLOWEST)) console.log(`  ${seconds(ms).padStart(6)}  ${name}`);
if (failed > 0) console.log('\nfailed:');
for (const failure of [...counts.flatMap(({ failures = [] }) => failures), ...left]) console.log(`  ${failure}`);
console.log(`\n${seconds(Date.now() - started)} in all`);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
