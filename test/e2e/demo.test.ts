import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processesOf } from '../harness/left-processes.ts';

const root = join(import.meta.dirname, '..', '..');

interface DemoSummary {
  ok: boolean;
  steps: { name: string; ok: boolean; ms: number; detail: string }[];
  commitToEnforcedMs: { median: number; max: number; samples: number[] };
}

const runDemo = (stateDir: string): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'clusters/demo/main.ts'), '--check', '--state-dir', stateDir], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', (code) => resolve({ code, output }));
  });

describe('npm run demo -- --check', () => {
  let stateDir: string;
  let result: { code: number | null; output: string };
  let summary: DemoSummary;

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'fso-demo-'));
    result = await runDemo(stateDir);
    expect(result.code, result.output).toBe(0);
    summary = JSON.parse(await readFile(join(stateDir, 'demo.json'), 'utf8')) as DemoSummary;
  });
  afterAll(() => rm(stateDir, { recursive: true, force: true }));

  it('passes every step and prints a line for each', () => {
    expect(summary.ok).toBe(true);
    expect(summary.steps.length).toBeGreaterThanOrEqual(15);
    for (const { name, ok } of summary.steps) {
      expect(ok, name).toBe(true);
      expect(result.output).toContain(`✓ ${name}`);
    }
  });

  it('prints how long five commits took from the push to the proof of both locks in every cluster', () => {
    const { samples, median, max } = summary.commitToEnforcedMs;
    expect(samples).toHaveLength(5);
    expect(Math.min(...samples)).toBeGreaterThan(0);
    expect(max).toBe(Math.max(...samples));
    expect(median).toBe([...samples].sort((a, b) => a - b)[2]);
  });

  it('leaves no process behind', () => {
    expect(processesOf(stateDir)).toEqual([]);
  });
});
