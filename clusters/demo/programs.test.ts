import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTimeOf } from '../processes.ts';
import { startProgram, until } from './programs.ts';

const never = new AbortController().signal;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-programs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

it('ends with the process that started it, even when that is killed', async () => {
  const sleeper = write('sleeper.ts', 'setInterval(() => {}, 1000);');
  const parent = write(
    'parent.ts',
    `import { startProgram } from ${JSON.stringify(join(import.meta.dirname, 'programs.ts'))};
     const { pid } = startProgram({ name: 'sleeper', command: [${JSON.stringify(sleeper)}], env: {}, logFile: ${JSON.stringify(join(folder, 'log'))} });
     process.stdout.write(String(pid));`,
  );
  const child = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))));
  expect(startTimeOf(pid)).toBeDefined();
  child.kill('SIGKILL');
  await expect.poll(() => startTimeOf(pid)).toBeUndefined();
});

it('reports how a program ended, at once and not when the time is over', async () => {
  const broken = write('broken.ts', 'console.error("no such thing"); process.exitCode = 3;');
  const program = startProgram({ name: 'broken', command: [broken], env: {}, logFile: join(folder, 'log') });
  const look = async (): Promise<undefined> => {
    program.assertRunning();
    return undefined;
  };
  await expect(until('never', look, never)).rejects.toThrow(/broken ended \(3\):\nno such thing/);
});

it('lets a program end by itself although it is held', async () => {
  const short = write('short.ts', 'console.log("done");');
  const program = startProgram({ name: 'short', command: [short], env: {}, logFile: join(folder, 'log') });
  await expect.poll(() => startTimeOf(program.pid)).toBeUndefined();
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('done\n');
});

it('stops waiting when aborted', async () => {
  const stop = new AbortController();
  const waiting = until('never', async () => undefined, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
});
