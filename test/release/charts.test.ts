import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byText } from '@fso/shared/encoding';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { HELM_TOOL } from '../harness/tools.ts';
import { never } from '../harness/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Workflow {
  readonly jobs: { readonly build: { readonly steps: readonly { readonly name?: string; readonly run?: string }[] } };
}

let folder: string;
let helm: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fso-charts-'));
  const { helm: tool = '' } = await ensureTools({ env: process.env, log: console.log, modules: [HELM_TOOL] }, never);
  helm = join(tool, 'helm');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Packs the charts as the release does. @param mtime of their files @returns the packages */
const pack = (name: string, mtime: Date): readonly Buffer[] => {
  const cwd = join(folder, name);
  cpSync(join(ROOT, 'deploy/charts'), join(cwd, 'deploy/charts'), { recursive: true });
  for (const file of globSync('deploy/charts/**/*', { cwd })) utimesSync(join(cwd, file), mtime, mtime);
  mkdirSync(join(cwd, 'tools'));
  copyFileSync(helm, join(cwd, 'tools/helm'));
  chmodSync(join(cwd, 'tools/helm'), 0o644);
  const { jobs } = parse(readFileSync(join(ROOT, '.github/workflows/release.yaml'), 'utf8')) as Workflow;
  const script = jobs.build.steps.find((step) => step.name === 'Pack the charts')?.run ?? '';
  mkdirSync(join(cwd, 'release/charts'), { recursive: true });
  const env = { PATH: process.env['PATH'], HOME: folder, SOURCE_DATE_EPOCH: '1790000000' };
  execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', script], { cwd, env });
  return globSync('release/charts/*.tgz', { cwd })
    .toSorted(byText)
    .map((file) => readFileSync(join(cwd, file)));
};

it('the same commit gives the same charts, whenever they are packed', () => {
  const [first, second] = [pack('first', new Date('2026-01-01')), pack('second', new Date('2026-02-02'))];
  expect(first?.length).toBe(2);
  expect(first).toEqual(second);
});
