import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FILES } from '../hub/serve/testing/fleet.ts';

/** Workflows for the policy repositories of others: they must not give rights to a change. */

const root = join(import.meta.dirname, '..');
const read = (host: string): string => readFileSync(join(root, `deploy/plan/${host}.yaml`), 'utf8');

interface Step {
  readonly name?: string;
  readonly if?: string;
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly permissions?: object;
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: object;
  readonly permissions?: object;
  readonly concurrency?: object;
  readonly jobs: { readonly plan: Job };
}
interface GitLabJob {
  readonly rules: readonly { readonly if: string }[];
  readonly script: readonly string[];
}

const workflowOf = (host: string): Workflow => parse(read(host)) as Workflow;
const jobOf = (host: string): Job => workflowOf(host).jobs.plan;
const gitLabJob = (): GitLabJob => (parse(read('gitlab')) as Readonly<Record<string, GitLabJob>>)['fso plan'] as GitLabJob;

const scriptsOf = (host: string): readonly string[] =>
  host === 'gitlab' ? gitLabJob().script : jobOf(host).steps.flatMap(({ run }) => run ?? []);

describe.each(['github', 'gitea'])('the workflow for %s', (host) => {
  it('comes from the base branch, checks out nothing else, and fails for all but branches of the repository', () => {
    expect(Object.keys(workflowOf(host).on)).toEqual(['pull_request_target']);
    const { steps } = jobOf(host);
    const isFork = 'github.event.pull_request.head.repo.full_name != github.repository';
    const isRefused = host === 'gitea' ? `${isFork} || github.event.pull_request.head.label == ''` : isFork;
    expect([steps[0]?.if, steps[0]?.run]).toEqual([isRefused, expect.stringMatching(/exit 1\n$/)]);
    // No other condition, which could let a step run after that one.
    expect(Object.keys(jobOf(host)).concat(steps.slice(1).flatMap(Object.keys))).not.toContain('if');
    const actions = steps.filter(({ uses }) => uses !== undefined);
    expect(actions.map(({ uses }) => uses)).toEqual([expect.stringMatching(/^actions\/checkout@[0-9a-f]{40}$/)]);
    expect(actions[0]?.with).toEqual({ 'fetch-depth': 0, 'persist-credentials': false });
  });

  it('has no rights but to read, and to comment', () => {
    expect([workflowOf(host).permissions, jobOf(host).permissions]).toEqual([{}, { contents: 'read', 'pull-requests': 'write' }]);
  });

  it('is cancelled by the next push', () => {
    expect(workflowOf(host).concurrency).toEqual({ group: expect.stringContaining('github.event.number'), 'cancel-in-progress': true });
  });

  it('puts nothing of the event into commands', () => {
    expect(scriptsOf(host).join('\n')).not.toContain('${{');
  });
});

describe('the workflows', () => {
  it('plan on Gitea by the commands of GitHub', () => {
    const [onGitHub, onGitea] = ['github', 'gitea'].map((host) => jobOf(host).steps.find(({ name }) => name === 'plan'));
    expect(onGitea).toEqual(onGitHub);
  });

  it('run on GitLab for branches of the project alone', () => {
    expect(gitLabJob().rules.map((rule) => rule.if)).toEqual([
      '$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID',
    ]);
  });

  describe('in a repository', () => {
    let folder: string;
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', folder, '-c', 'user.name=Ana', '-c', 'user.email=ana@example.org', ...args], { stdio: 'pipe' })
        .toString()
        .trim();
    const change = (path: string, text: string): string => {
      writeFileSync(join(folder, path), text);
      git('add', '--all');
      git('commit', '--quiet', '--message', path);
      return git('rev-parse', 'HEAD');
    };
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'fso-plan-workflow-'));
      git('init', '--quiet', '--initial-branch', 'main');
      for (const name of ['policies', 'clusters', 'regions', 'bin']) mkdirSync(join(folder, name));
      for (const { path, text } of FILES) writeFileSync(join(folder, path), text);
      const program = `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'hub/cli/main.ts')}" "$@"\n`;
      writeFileSync(join(folder, 'bin/fso'), program, { mode: 0o755 });
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    const run = (host: string, base: string, head: string) => {
      const script = scriptsOf(host).find((text) => text.includes('fso plan')) ?? '';
      const result = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
        cwd: folder,
        env: {
          PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
          HOME: folder,
          GITHUB_OUTPUT: join(folder, 'code'),
          BASE: base,
          CHANGE: head,
          CI_MERGE_REQUEST_DIFF_BASE_SHA: base,
          CI_COMMIT_SHA: head,
        },
      });
      const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
      return { status: result.status, code: read('code').trim().replace('code=', ''), comment: read('plan.md') };
    };

    it.each(['github', 'gitlab'])('%s: plans, and distinguishes a plan that breaks from one that cannot be made', (host) => {
      const base = change('policies/a.txt', 'a');
      const same = change('policies/b.txt', 'b');
      expect(run(host, base, same)).toEqual({ status: 0, code: '0', comment: expect.stringContaining('**Nothing changes.**') });
      rmSync(join(folder, 'code'));
      const finance = FILES.find(({ path }) => path === 'policies/finance.yaml')?.text.replace("'group:eu'", 'eu-west-1') ?? '';
      const breaking = change('policies/finance.yaml', finance);
      expect(run(host, base, breaking)).toEqual({
        status: 0,
        code: '1',
        comment: expect.stringMatching(/^<!-- fso plan -->\n\*\*Breaks: 1 /),
      });
      rmSync(join(folder, 'code'));
      const bad = change('policies/finance.yaml', 'spec: [');
      expect(run(host, base, bad)).toEqual({
        status: 0,
        code: '2',
        comment: '<!-- fso plan -->\n**There is no plan: the job says why.**\n',
      });
    });

    it.each(['gitea', 'gitlab'])('%s: replaces its own comment, and not that of others who begin alike', async (host) => {
      writeFileSync(join(folder, 'plan.md'), 'the plan');
      const body = '<!-- fso plan -->';
      // The user of a comment is its `user` on Gitea and its `author` on GitLab.
      const by = (user: number) => ({ user: { id: user }, author: { id: user }, body });
      const mine = host === 'gitea' ? -2 : 7;
      let comments: object[] = [{ id: 1, ...by(3) }];
      const calls: string[] = [];
      const server = createServer((request, response) => {
        const isRead = request.method === 'GET';
        if (!isRead) calls.push(`${request.method} ${request.url}`);
        response.end(JSON.stringify(isRead && request.url?.endsWith('/user') !== true ? comments : { id: mine }));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const script = scriptsOf(host)
        .filter((text) => text.includes('comment.mjs'))
        .join('\n');
      const environment = {
        ...{ API: url, NUMBER: '5', TOKEN: 'secret' },
        ...{ CI_API_V4_URL: url, CI_PROJECT_ID: '4', CI_MERGE_REQUEST_IID: '5', PLAN_TOKEN: 'secret' },
      };
      const comment = async (): Promise<void> => {
        const path = `${dirname(process.execPath)}:${process.env['PATH']}`;
        await promisify(execFile)('bash', ['-e', '-c', script], { cwd: folder, env: { PATH: path, ...environment } });
      };
      await comment();
      comments = [...comments, { id: 2, ...by(mine) }];
      await comment();
      server.close();
      expect(calls).toEqual(
        host === 'gitea'
          ? ['POST /5/comments', 'PATCH /comments/2']
          : ['POST /projects/4/merge_requests/5/notes', 'PUT /projects/4/merge_requests/5/notes/2'],
      );
    });

    it.each(['github', 'gitea', 'gitlab'])('%s: has commands that a shell can read', (host) => {
      for (const script of scriptsOf(host)) expect(spawnSync('bash', ['-n', '-c', script]).stderr.toString()).toBe('');
    });
  });
});
