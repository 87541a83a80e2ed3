import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const url = (file: string): string => new URL(file, import.meta.url).href;
const LOGGER = `
  import { createLogger } from '${url('./logger.ts')}';
  import { openLogOutput } from '${url('./log-output.ts')}';
  const logger = createLogger({ name: 'test', destination: openLogOutput() });
  const pad = 'x'.repeat(1000);`;
const LINES = 5_000;
/**
 * Logs more than there is room for, a few lines in each turn of the event loop, and then goes on.
 */
const flood = (then: string): string => `${LOGGER}
  let n = 0;
  const more = () => {
    for (let i = 0; i < 50; i += 1) logger.info({ n: n++, pad }, 'filler');
    if (n < ${LINES}) setImmediate(more);
    else {
      ${then}
    }
  };
  more();`;

interface Line {
  readonly msg: string;
  readonly dropped?: number;
}

let folder: string;
let child: ChildProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-log-'));
});
afterEach(async () => {
  child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

/** Runs a program whose standard output is a file descriptor, which is closed here. */
const run = (program: string, stdout: number): void => {
  child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', stdout, 'pipe', 'ipc'] });
  closeSync(stdout);
};

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);

describe.skipIf(process.platform !== 'linux')('a pipe without a reader', () => {
  let reader: number;
  const runInPipe = async (program: string): Promise<void> => {
    const path = join(folder, 'pipe');
    await promisify(execFile)('mkfifo', [path]);
    reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    run(program, openSync(path, constants.O_WRONLY));
  };

  it('never blocks the program, and reports what was dropped once it is read', async () => {
    await runInPipe(flood(`process.send(n); process.once('message', () => { logger.info('last'); process.disconnect(); });`));
    expect(await once(child, 'message')).toEqual([LINES, undefined]);
    let text = '';
    const exited = once(child, 'exit');
    const socket = new Socket({ fd: reader }).setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    const ended = once(socket, 'end');
    await expect.poll(() => text).toContain('"dropped"');
    child.send('end');
    expect(await exited).toEqual([0, null]);
    await ended;
    const lines = linesOf(text);
    const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
    expect(dropped).toBeGreaterThan(LINES / 2);
    expect(lines.filter(({ msg }) => msg === 'filler').length + dropped).toBe(LINES);
    expect(lines.at(-1)?.msg).toBe('last');
  });

  it.each([
    ['by itself', 'process.exitCode = 3;'],
    ['by an exit', 'process.exit(3);'],
    ['after a fatal line', `logger.fatal('the end'); process.exit(3);`],
  ])('keeps no program from ending %s', async (_how, end) => {
    await runInPipe(flood(end));
    expect(await once(child, 'exit')).toEqual([3, null]);
    closeSync(reader);
  });
});

describe('a file', () => {
  it.each([
    ['by itself', ''],
    ['by an exit', 'process.exit(0);'],
    ['by an error', `throw new Error('unexpected');`],
  ])('has all lines in their order when a program ends %s', async (_how, end) => {
    const path = join(folder, 'log');
    run(`${LOGGER} for (let n = 0; n < 500; n += 1) logger.info({ n }, 'line'); ${end}`, openSync(path, 'w'));
    await once(child, 'exit');
    const numbers = linesOf(readFileSync(path, 'utf8')).map((line) => Reflect.get(line, 'n'));
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, n) => n));
  });

  it('gets a line while the program runs, and all before a fatal one at once', async () => {
    const path = join(folder, 'log');
    run(
      `${LOGGER} logger.info('first'); setInterval(() => undefined, 1000); process.once('message', () => {
      logger.info('second'); logger.fatal('third'); process.kill(process.pid, 'SIGKILL'); });`,
      openSync(path, 'w'),
    );
    await expect.poll(() => readFileSync(path, 'utf8')).toContain('"first"');
    child.send('end');
    await once(child, 'exit');
    expect(linesOf(readFileSync(path, 'utf8')).map(({ msg }) => msg)).toEqual(['first', 'second', 'third']);
  });
});
