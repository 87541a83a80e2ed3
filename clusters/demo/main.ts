import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shutdownSignal, untilAborted } from '@fso/shared/runtime';
import { Command } from 'commander';
import { withLock } from '../build/lock.ts';
import { createTerminal } from '../build/terminal.ts';
import { printNextCommands } from './next-commands.ts';
import { createRunner, StepFailed, summarize } from './runner.ts';
import { runDemo } from './script.ts';
import { createWorld } from './world.ts';

const options = new Command('demo')
  .description('Three clusters, a Git server, a hub and three agents on this machine: one commit governs them, step by step.')
  .option('--check', 'end after the last step, with exit code 1 when one failed')
  .option('--state-dir <dir>', 'where clusters, keys and logs live', join(import.meta.dirname, '..', '..', '.fso'))
  .parse()
  .opts<{ check?: true; stateDir: string }>();

const { log: print, status } = createTerminal(process.stdout, (line) => line);
const signal = shutdownSignal();
const runner = createRunner(print, process.stdout.isTTY === true && !process.env['NO_COLOR']);
mkdirSync(options.stateDir, { recursive: true });

async function demo(): Promise<void> {
  const world = await createWorld({ stateDir: options.stateDir, log: (line) => print(`  ${line}`), ...(status && { status }) });
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
