import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

const MODULE = new URL('./watchdog.ts', import.meta.url).href;

const run = async (program: string, patience: number): Promise<{ code: number | null; signal: string | null; stderr: string }> => {
  const source = `import { startWatchdog } from '${MODULE}'; startWatchdog({ checkMs: 100, patience: ${patience} }); ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [stderr, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number | null, string | null]>]);
  return { code, signal, stderr };
};

describe('watchdog', () => {
  it('ends a process whose event loop stands still, and logs it', async () => {
    const { signal, stderr } = await run('setTimeout(() => { for (;;); }, 300);', 10);
    expect(signal).toBe('SIGKILL');
    expect(stderr).toContain('the event loop has stood still for 1 s');
  });

  it('leaves a process alone that runs or pauses briefly, and keeps none alive', async () => {
    const { code, stderr } = await run(
      'const until = Date.now() + 300; while (Date.now() < until); setTimeout(() => undefined, 1500);',
      600,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
