/**
 * `npm test`: everything there is to prove, in one run, with one closing line `N passed, N failed`.
 *
 *   npm test                     static checks, unit, integration, attacks, trust, e2e, browser
 *   npm test -- unit integration only these
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RUN_VARIABLE } from '../clusters/local/processes.ts';
import { endLeftProcesses } from './harness/left-processes.ts';

const root = new URL('..', import.meta.url).pathname;
/** In the environment of every process of this run. */
const RUN = randomUUID();

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** The part of vitest's JSON report that is counted. */
interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; name: string; assertionResults: { status: string }[] }[];
}

const run = (program: string, args: string[]): Promise<number> =>
  new Promise((resolve) => {
    const env = { ...process.env, [RUN_VARIABLE]: RUN };
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
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

/** A file that failed outside of its tests (an import, a hook) counts as one failure. */
const brokenFiles = (report: VitestReport): number =>
  report.testResults.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')).length;

async function vitest(project: string): Promise<Count> {
  const folder = await mkdtemp(join(tmpdir(), 'fso-test-'));
  const outputFile = join(folder, 'report.json');
  try {
    const code = await run('vitest', [
      'run',
      '--project',
      project,
      '--reporter=verbose',
      '--reporter=json',
      `--outputFile.json=${outputFile}`,
    ]);
    const report = JSON.parse(await readFile(outputFile, 'utf8')) as VitestReport;
    const failed = report.numFailedTests + brokenFiles(report);
    return {
      passed: report.numPassedTests,
      // vitest also fails for unhandled errors, which no test owns.
      failed: failed === 0 && code !== 0 ? 1 : failed,
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch (error) {
    console.error(`${project}: no report: ${(error as Error).message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const suites: Record<string, () => Promise<Count>> = {
  types: () => staticCheck('types'),
  lint: () => staticCheck('lint'),
  dead: () => staticCheck('dead'),
  gen: () => staticCheck('gen:check'),
  unit: () => vitest('unit'),
  integration: () => vitest('integration'),
  attacks: () => vitest('attacks'),
  trust: () => vitest('trust'),
  e2e: () => vitest('e2e'),
  browser: () => vitest('browser'),
};

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const unknown = wanted.filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`unknown suite ${unknown.join(', ')}; there are: ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

const total: Count = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const at = Date.now();
  console.log(`\n── ${name}`);
  const count = await suite();
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
  console.log(
    `── ${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${Math.round((Date.now() - at) / 1000)} s`,
  );
}
const left = await endLeftProcesses(RUN);
for (const process of left) console.error(`left running, ended now: ${process}`);
total.failed += left.length;
console.log(`\n${Math.round((Date.now() - started) / 1000)} s in all`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
