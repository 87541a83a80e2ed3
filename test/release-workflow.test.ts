import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const WORKFLOW = '.github/workflows/release.yaml';

interface Step {
  readonly name?: string;
  readonly run?: string;
  readonly uses?: string;
}

interface Job {
  readonly permissions: object;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly permissions: object;
  readonly jobs: { readonly test: Job; readonly publish: Job };
}

describe('the release workflow', () => {
  const text = read(WORKFLOW);
  const { permissions, jobs } = parse(text) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const commands = steps.map(({ run = '' }) => run).join('\n');

  it('grants each job what it needs, and the workflow nothing', () => {
    expect([permissions, jobs.test.permissions, jobs.publish.permissions]).toEqual([
      {},
      { contents: 'read' },
      { contents: 'write', packages: 'write', 'id-token': 'write' },
    ]);
  });

  it('pins every action by its commit', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? []);
    expect(actions.length).toBeGreaterThan(0);
    expect(actions.filter((action) => !/@[0-9a-f]{40}$/.test(action))).toEqual([]);
  });

  it('puts nothing of the event into commands', () => {
    expect(commands).not.toContain('${{');
  });

  it('runs what the repository has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const called = [...commands.matchAll(/npm (?:run )?(?!ci\b|run\b)([\w:]+)/g)].map(([, name = '']) => name);
    expect(new Set(called)).toEqual(new Set(['pack:cli', 'sbom', 'test']));
    expect(called.filter((name) => !(name in scripts))).toEqual([]);
    const modules = [...commands.matchAll(/go build -C (\S+)/g)].map(([, folder = '']) => folder);
    expect(modules.map((folder) => existsSync(join(root, folder, 'go.sum')))).toEqual([true, true]);
    expect(existsSync(join(root, /--file (\S+)/.exec(commands)?.[1] ?? ''))).toBe(true);
  });

  it('installs the packages that the tests install where they may', () => {
    const tests = globSync('test/**/*.ts', { cwd: root }).map(read).join('\n');
    const needed = [...tests.matchAll(/installPackages\('(.+?)'\)/g)].map(([, name = '']) => name);
    expect(needed).toContain('postgresql');
    const [, installed = ''] = /apt-get install (.*)/.exec(commands) ?? [];
    // Chrome, which the browser tests take too, is there.
    expect(needed.filter((name) => name !== 'chromium-headless-shell' && !installed.split(' ').includes(name))).toEqual([]);
  });

  it('names the published images in the charts, by registry and digest', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fso-release-'));
    cpSync(join(root, 'deploy/charts'), join(folder, 'deploy/charts'), { recursive: true });
    const registry = 'registry.example.com/owner';
    const digests = { agent: `sha256:${'a'.repeat(64)}`, hub: `sha256:${'b'.repeat(64)}` };
    for (const [part, digest] of Object.entries(digests))
      writeFileSync(join(folder, `${part}.image`), `${registry}/fso-${part}@${digest}\n`);
    const script = jobs.publish.steps.find(({ name }) => name === 'Name the images in the charts')?.run ?? '';
    execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { PATH: process.env['PATH'], RUNNER_TEMP: folder },
    });
    for (const [part, digest] of Object.entries(digests)) {
      const [chart, values] = ['Chart.yaml', 'values.yaml'].map((file) =>
        parse(readFileSync(join(folder, `deploy/charts/fso-${part}`, file), 'utf8')),
      ) as [{ annotations: object }, { image: object; global: object }];
      expect(values).toMatchObject({ image: { registry, repository: `fso-${part}`, tag: '', digest }, global: { imageRegistry: '' } });
      expect(chart.annotations).toEqual({
        'artifacthub.io/images': `- name: fso-${part}\n  image: ${registry}/fso-${part}@${digest}\n`,
      });
    }
    rmSync(folder, { recursive: true });
  });

  it('publishes one version of everything', () => {
    const versions = ['package.json', 'hub/package.json', 'agent/package.json', 'deploy/cli/package.json'].map(
      (path) => (JSON.parse(read(path)) as { version: string }).version,
    );
    const charts = ['fso-agent', 'fso-hub'].map(
      (chart) => parse(read(`deploy/charts/${chart}/Chart.yaml`)) as { version: string; appVersion: string },
    );
    const all = [...versions, ...charts.flatMap(({ version, appVersion }) => [version, appVersion])];
    expect(new Set(all)).toEqual(new Set([versions[0]]));
  });
});
