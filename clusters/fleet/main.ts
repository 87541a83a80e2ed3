import { dirname, join } from 'node:path';
import { readDefinition } from '../definition.ts';
import { CommandError } from '../toolchain/command-error.ts';
import { createTerminal } from '../toolchain/progress.ts';
import { createProgram } from './program.ts';

const clusters = dirname(import.meta.dirname);
const started = performance.now();
const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => abort.abort(new CommandError(`stopped by ${name}`)));

try {
  await createProgram({
    definition: readDefinition(clusters),
    defaultStateDir: join(dirname(clusters), '.fso'),
    env: process.env,
    out: (line) => process.stdout.write(`${line}\n`),
    ...createTerminal(process.stderr, (line) => `[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${line}`),
    signal: abort.signal,
  }).parseAsync();
} catch (error) {
  const reason = abort.signal.aborted ? abort.signal.reason : error;
  process.stderr.write(`fleet: ${reason instanceof CommandError ? reason.message : ((reason as Error).stack ?? reason)}\n`);
  process.exitCode = 1;
}
