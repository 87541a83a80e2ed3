import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  readonly needs?: string | readonly string[];
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly permissions: object;
  readonly jobs: Readonly<Record<string, Job>>;
}

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

const commandsOf = ({ steps }: Job): string => steps.map(({ run = '' }) => run).join('\n');

/** Scripts of the repository that commands call. */
const calledBy = (commands: string): ReadonlySet<string> =>
  new Set([...commands.matchAll(/npm (?:run )?(?!ci\b|run\b)([\w:]+)/g)].map(([, name = '']) => name));

describe.each(globSync('.github/workflows/*.yaml', { cwd: root }))('the workflow %s', (path) => {
  const { permissions, jobs } = parse(read(path)) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const commands = Object.values(jobs).map(commandsOf).join('\n');

  it('has no rights but those that its jobs name', () => {
    expect(permissions).toEqual({});
    expect(Object.values(jobs).filter((job) => !('permissions' in job))).toEqual([]);
  });

  it('pins every action by its commit, of the hosting service itself', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? []);
    expect(actions.length).toBeGreaterThan(0);
    expect(actions.filter((action) => !/^actions\/[\w-]+@[0-9a-f]{40}$/.test(action))).toEqual([]);
  });

  it('puts nothing of the event into commands', () => {
    expect(commands).not.toContain('${{');
  });

  it('runs what the repository has', () => {
    const called = calledBy(commands);
    expect(called.size).toBeGreaterThan(0);
    expect([...called].filter((name) => !(name in scripts))).toEqual([]);
    const modules = [...commands.matchAll(/go build -C (\S+)/g)].map(([, folder = '']) => folder);
    expect(modules.filter((folder) => !existsSync(join(root, folder, 'go.sum')))).toEqual([]);
  });
});

describe('the release workflow', () => {
  const { jobs } = parse(read(WORKFLOW)) as Workflow;
  const jobOf = (name: string): Job => jobs[name] ?? { permissions: {}, steps: [] };
  const scriptOf = (job: string, step: string): string => jobOf(job).steps.find(({ name }) => name === step)?.run ?? '';
  const commands = Object.values(jobs).map(commandsOf).join('\n');

  it('builds without rights, and publishes without code of the repository or of its dependencies', () => {
    const rights = Object.entries(jobs).map(([name, job]) => [name, job.permissions]);
    expect(Object.fromEntries(rights)).toEqual({
      test: { contents: 'read' },
      tools: { contents: 'read' },
      build: { contents: 'read' },
      publish: { contents: 'write', packages: 'write', 'id-token': 'write', attestations: 'write' },
    });
    expect([jobOf('build').needs, jobOf('publish').needs]).toEqual([
      ['test', 'tools'],
      ['tools', 'build'],
    ]);
    expect(calledBy(commandsOf(jobOf('build')))).toEqual(new Set(['pack:cli', 'sbom']));
    expect(commandsOf(jobOf('build'))).toMatch(/^npm ci --ignore-scripts$/m);
    expect(commandsOf(jobOf('publish'))).not.toMatch(/npm |docker buildx|go build|node /);
    expect(jobOf('publish').steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))).toEqual([]);
    // Programs that others built sign nothing.
    expect(commandsOf(jobOf('tools'))).not.toContain('npm');
  });

  it('attests the provenance of images, charts and files', () => {
    const attested = jobOf('publish').steps.filter(({ uses }) => uses?.startsWith('actions/attest-build-provenance@'));
    expect(attested.map((step) => Object.values((step as { with: Record<string, unknown> }).with)[0])).toEqual([
      ...['fso-agent', 'fso-hub', 'charts/fso-agent', 'charts/fso-hub'].map((name) => `\${{ env.REGISTRY }}/${name}`),
      `\${{ runner.temp }}/release/files/*`,
    ]);
  });

  it('builds on a base image of a digest that it resolved, and publishes which', () => {
    const script = scriptOf('build', 'Resolve the base image');
    const folder = mkdtempSync(join(tmpdir(), 'fso-base-'));
    mkdirSync(join(folder, 'release/files'), { recursive: true });
    mkdirSync(join(folder, 'bin'));
    cpSync(join(root, 'deploy/images'), join(folder, 'deploy/images'), { recursive: true });
    const digest = `sha256:${'c'.repeat(64)}`;
    writeFileSync(join(folder, 'bin/docker'), `#!/bin/sh\nprintf '{"digest": "${digest}"}'\n`, { mode: 0o755 });
    execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, GITHUB_ENV: join(folder, 'env') },
    });
    const base = readFileSync(join(folder, 'release/files/base-image.txt'), 'utf8');
    expect(base).toMatch(new RegExp(`^node:24\\.\\d+\\.\\d+-slim@${digest}\n$`));
    expect(readFileSync(join(folder, 'env'), 'utf8')).toBe(`BASE_IMAGE=${base}`);
    expect(commands).toContain('--build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "BUILD_IMAGE=$BASE_IMAGE"');
    expect(existsSync(join(root, /--file (\S+)/.exec(commands)?.[1] ?? ''))).toBe(true);
    rmSync(folder, { recursive: true });
  });

  it('takes the notes of the version from the changelog, and none of another', () => {
    const script = scriptOf('build', 'Take the notes of the version from the changelog');
    const folder = mkdtempSync(join(tmpdir(), 'fso-notes-'));
    mkdirSync(join(folder, 'release'));
    writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n- later\n\n## 0.2.0\n\n- new\n\n## 0.1.0\n\n- old\n');
    const take = (VERSION: string): unknown =>
      execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', script], { cwd: folder, env: { PATH: process.env['PATH'], VERSION } });
    take('0.2.0');
    expect(readFileSync(join(folder, 'release/notes.md'), 'utf8').trim()).toBe('- new');
    expect(() => take('0.3.0')).toThrow('Command failed');
    rmSync(folder, { recursive: true });
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
    mkdirSync(join(folder, 'release/images'), { recursive: true });
    for (const [part, digest] of Object.entries(digests)) writeFileSync(join(folder, `release/images/fso-${part}.digest`), `${digest}\n`);
    execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', scriptOf('build', 'Name the images in the charts')], {
      cwd: folder,
      env: { PATH: process.env['PATH'], REGISTRY: registry },
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
});
