import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeTemporaryFolder } from '../test/harness/temporary-folder.ts';
import { CLUSTER_DIR_VARIABLE, endProcesses, findMarked, isAlive, parseStat, spawnDetached, startTimeOf, tail } from './processes.ts';

const STAT = '42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10';

it('reads the start time past a name with brackets and spaces', () => {
  expect(parseStat(STAT)).toEqual({ startTime: '987654', zombie: false });
  expect(parseStat(STAT.replace(') S', ') Z')).zombie).toBe(true);
  // Other threads of it still end.
  expect(parseStat(STAT.replace(') S', ') Z').replace(' 20 0 1 0 ', ' 20 0 3 0 ')).zombie).toBe(false);
});

it('does not take a pid that is in use again for the process', async () => {
  const other = { pid: process.pid, startTime: 'another' };
  expect(isAlive({ pid: process.pid, startTime: startTimeOf(process.pid) ?? '' })).toBe(true);
  expect(isAlive(other)).toBe(false);
  await endProcesses([other], 'SIGKILL');
});

it('finds a process by its mark and ends it, even when it ignores SIGTERM', async () => {
  const dir = makeTemporaryFolder('processes');
  const logFile = join(dir, 'log');
  const record = await spawnDetached({
    command: '/bin/sh',
    args: ['-c', `trap '' TERM; echo started; touch '${dir}/up'; while :; do sleep 1; done`],
    env: { PATH: '/usr/bin:/bin', [CLUSTER_DIR_VARIABLE]: dir },
    logFile,
  });
  await expect.poll(() => existsSync(join(dir, 'up'))).toBe(true);
  expect(findMarked(dir)).toContainEqual(record);
  await endProcesses(findMarked(dir), 'SIGTERM', 300);
  expect(isAlive(record)).toBe(false);
  expect(tail(logFile)).toBe('started');
  expect(readFileSync(logFile, 'utf8')).toBe('started\n');
});
