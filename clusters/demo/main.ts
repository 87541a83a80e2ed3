import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shutdownSignal, untilAborted } from '@fso/shared/runtime';
import { Command } from 'commander';
import { withLock } from '../toolchain/lock.ts';
import { createTerminal } from '../toolchain/progress.ts';
import { compareWithAim, createRunner, type Runner, StepFailed, summarize } from './runner.ts';
import {
  brokenCommit,
  compliantPod,
  createNamespaces,
  everyClusterProven,
  followedCommit,
  hubBack,
  tamperingAnswered,
  unsignedCommit,
  violatingPod,
  warnedDeployment,
  withoutHub,
} from './steps.ts';
import { World } from './world.ts';

const ROUNDS = 5;

/** Runs the demo, step by step. Adds the times from commit to proof to `samples`, in ms. */
async function runDemo(world: World, runner: Runner, samples: number[], signal: AbortSignal): Promise<void> {
  const { step } = runner;
  await step('fleet: three clusters with Gatekeeper', async () => {
    await world.startFleet(signal);
    return world.clusters.map(({ name, regions }) => `${name} (${regions.join(', ')})`).join(', ');
  });
  await step('namespaces of the application teams', () => createNamespaces(world, signal));
  await step('Git server with the policy repository', async () => {
    await world.startGit();
    return world.gitUrl;
  });
  await step('hub and agents, first commit proven', async () => {
    await world.startHub();
    await world.startAgents();
    return everyClusterProven(world, signal);
  });
  await step('compliant pod admitted and scheduled', () => compliantPod(world, signal));
  await step('violating pod refused', () => violatingPod(world, signal));
  await step('Deployment warned', () => warnedDeployment(world, signal));
  for (let round = 1; round <= ROUNDS; round++) {
    await step(`commit ${round} of ${ROUNDS}: one policy changed`, async () => {
      const { ms, text } = await followedCommit(world, round, signal);
      samples.push(ms);
      return text;
    });
  }
  await step('commit to proof, median', async () => compareWithAim(samples));
  await step('broken commit refused, last good one stays', () => brokenCommit(world, signal));
  await step('unsigned commit refused, last good one stays', () => unsignedCommit(world, signal));
  await step('tampering refused, put back and told', () => tamperingAnswered(world, signal));
  await step('hub stopped, enforcement goes on', () => withoutHub(world, signal));
  await step('hub started again, clusters in step', () => hubBack(world, signal));
}

/** Default state folder of the `fleet` command. */
const DEFAULT_STATE_DIR = join(import.meta.dirname, '..', '..', '.fso');

/**
 * Prints the addresses of the running demo, and writes the settings of the `fso` command to a file
 * to source.
 */
function printNextCommands(world: World, print: (line: string) => void): void {
  const folder = dirname(world.repository.folder);
  const settings = join(folder, 'env');
  const stateDir = dirname(folder);
  const elsewhere = stateDir === DEFAULT_STATE_DIR ? '' : `--state-dir ${stateDir} `;
  writeFileSync(settings, `export FSO_SERVER=${world.hubUrl}\nexport FSO_TOKEN=${world.apiToken}\n`, { mode: 0o600 });
  const lines = [
    '',
    `dashboard    ${world.hubUrl}/login#token=${world.apiToken}`,
    `hub          ${world.hubUrl}/api/v1/status (bearer token in ${settings})`,
    `repository   ${world.gitUrl}; a working copy to commit in: ${world.repository.folder}`,
    ...world.clusters.map(({ name, kubeconfig }) => `cluster      ${name}: export KUBECONFIG=${kubeconfig}`),
    `logs         ${join(folder, 'logs')}`,
    '',
    'Go on with:',
    `  . ${settings}`,
    '  npm run -s fso -- status',
    '  npm run -s fso -- get policies -o wide',
    '  npm run -s fso -- describe policy finance-eu',
    `  npm run -s fleet -- kubectl ${elsewhere}eu get sovereignpolicies -A   # kubectl of PATH; where there is none, one is made`,
    `  cd ${world.repository.folder}   # change policies/*.yaml, then: git commit -a -m … && git push origin HEAD:main`,
    '',
    'Ctrl-C ends all of it.',
  ];
  for (const line of lines) print(line);
}

const options = new Command('demo')
  .description('Three clusters, a Git server, a hub and three agents on this machine: one commit governs them, step by step.')
  .option('--check', 'end after the last step, with exit code 1 when one failed')
  .option('--state-dir <dir>', 'where clusters, keys and logs live', DEFAULT_STATE_DIR)
  .parse()
  .opts<{ check?: true; stateDir: string }>();

const { log: print, status } = createTerminal(process.stdout, (line) => line);
const signal = shutdownSignal();
const runner = createRunner(print, process.stdout.isTTY === true && !process.env['NO_COLOR']);
mkdirSync(options.stateDir, { recursive: true });

async function demo(): Promise<void> {
  const world = await World.open({ stateDir: options.stateDir, log: (line) => print(`  ${line}`), ...(status && { status }) });
  const samples: number[] = [];
  try {
    await runDemo(world, runner, samples, signal);
    if (!options.check) {
      printNextCommands(world, print);
      await untilAborted(signal);
    }
  } catch (error) {
    process.exitCode = 1;
    if (!(error instanceof StepFailed) && !signal.aborted) throw error;
    print(`logs: ${join(options.stateDir, 'demo', 'logs')}`);
  } finally {
    const ok = process.exitCode !== 1;
    const summary = { ok, steps: runner.results, commitToEnforcedMs: summarize(samples) };
    writeFileSync(join(options.stateDir, 'demo.json'), `${JSON.stringify(summary, undefined, 2)}\n`);
    print(options.check ? 'ending what was started …' : '\nending …');
    await world.stop();
  }
}

await withLock(join(options.stateDir, 'demo.lock'), demo, (pid) => print(`waiting for the demo of process ${pid} to end`), signal);
