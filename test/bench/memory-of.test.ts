import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryOf } from './memory-of.ts';

const MIB = 1024 * 1024;
const HELD = 64 * MIB;

/** Holds memory until its parent ends. */
const GRANDCHILD = `globalThis.held = Buffer.alloc(${HELD}, 1); process.send('ready');
process.once('disconnect', () => process.exit());`;
/** Starts that program. */
const CHILD = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(GRANDCHILD)}], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  .once('message', () => process.send('ready'));
process.once('disconnect', () => process.exit());`;

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

describe.runIf(process.platform === 'linux')('memoryOf', () => {
  it('counts what a process and those that it started hold, by what it is', async () => {
    const child = spawn(process.execPath, ['-e', CHILD], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    started.push(child);
    await once(child, 'message');

    const [parent, grandchild, ...others] = memoryOf(child.pid ?? 0);

    expect(others).toEqual([]);
    expect(grandchild?.command).toContain('held');
    expect((grandchild?.mappings.anonymous?.pss ?? 0) - (parent?.mappings.anonymous?.pss ?? 0)).toBeGreaterThan(0.9 * HELD);
    // Both run the same program: each counts a share of its pages, and would count them all if it
    // ran alone.
    expect(grandchild?.mappings.program?.pss).toBeLessThan(0.9 * (grandchild?.mappings.program?.rss ?? 0));
    const sum = Object.values(grandchild?.mappings ?? {}).reduce((total, { rss }) => total + rss, 0);
    expect(sum).toBe(grandchild?.rss);
  });
});
