import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { RUN_VARIABLE, startTimeOf } from '../clusters/processes.ts';
import { endLeftProcesses } from './harness/left-processes.ts';

/** Starts a program in its own session, like the processes of a cluster. */
const start = async (run: string, program: string): Promise<number> => {
  const child = spawn(process.execPath, ['--eval', program], { detached: true, stdio: 'ignore', env: { [RUN_VARIABLE]: run } });
  await once(child, 'spawn');
  child.unref();
  return child.pid ?? 0;
};

it('ends what a run of the tests left, and names it', async () => {
  const run = randomUUID();
  const pid = await start(run, 'setInterval(() => undefined, 1000)');
  const other = await start(randomUUID(), 'setTimeout(() => undefined, 60000)');
  await expect.poll(() => startTimeOf(pid)).toBeDefined();
  expect(await endLeftProcesses(run, 0)).toEqual([expect.stringContaining(`${pid} ${process.execPath} --eval setInterval`)]);
  expect(startTimeOf(pid)).toBeUndefined();
  expect(startTimeOf(other)).toBeDefined();
  process.kill(other, 'SIGKILL');
});

it('waits for what ends by itself', async () => {
  const run = randomUUID();
  await start(run, 'setTimeout(() => undefined, 300)');
  expect(await endLeftProcesses(run)).toEqual([]);
});
