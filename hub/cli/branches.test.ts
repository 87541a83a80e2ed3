import { Plan } from '@fso/shared/effects';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ScriptedBranch, scriptedBranches } from '../plans/testing/scripted-branches.ts';
import type { ApiHarness } from '../serve/testing/api-harness.ts';
import { FILES } from '../serve/testing/fleet.ts';
import { BranchError } from '../source/index.ts';
import { fso, runFso, startFilledApi } from './testing/run-fso.ts';

const TIPS = ['1', '2'].map((digit) => digit.repeat(40));
const tipOf = (tip: number, regions: string): ScriptedBranch => ({
  revision: `${TIPS[tip]}`,
  files: FILES.map(({ path, text }) => ({ path, text: path === 'policies/finance.yaml' ? text.replace("'group:eu'", regions) : text })),
});

describe('fso with the branches of a hub', () => {
  const branches = new Map<string, ScriptedBranch | BranchError>();
  let server: ApiHarness;

  beforeAll(async () => {
    branches.set('tighten', tipOf(0, 'eu-west-1'));
    branches.set(
      'broken',
      new BranchError('bad-request', 'The policy files of the branch cannot be read.', [
        { path: 'policies/x.yaml', reason: 'is a submodule' },
      ]),
    );
    server = await startFilledApi({ branches: scriptedBranches(branches) });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('plans a branch by its name, without a repository', async () => {
    const { code, out, err } = await fso(server, 'plan', '--branch', 'tighten');
    expect([code, out.split('\n', 1)[0]]).toEqual([1, expect.stringMatching(/^Breaks: 1 of 1 change would refuse pods/)]);
    expect(err).toContain('with tighten (11111111)');
    expect(err).toContain('The branch is 1 commit ahead of the commit in force and 0 behind it.');
  });

  it('shows what has changed since the last plan', async () => {
    branches.set('tighten', tipOf(1, 'us-east-1'));
    const { out, err } = await fso(server, 'plan', '--branch', 'tighten');
    expect(out).toContain('New: eu, us: namespace finance: deny incomparable\n');
    expect(out).not.toContain('Gone');
    expect(err).toMatch(/Compared with its last plan [0-9a-f]{24} of \S+ \(11111111\)\./);
    const markdown = (await fso(server, 'plan', '--branch', 'tighten', '-o', 'markdown')).out;
    expect(markdown).toContain('no effect is new or gone');
    const json = Plan.parse(JSON.parse((await fso(server, 'plan', '--branch', 'tighten', '-o', 'json')).out));
    expect(json).toMatchObject({ after: { source: 'tighten', revision: TIPS[1] }, branch: { since: { begins: [], ends: [] } } });
  });

  it('lists branches with their last plans', async () => {
    const { code, out, err } = await fso(server, 'get', 'branches');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^BRANCH +COMMIT +PLANNED +COMMIT PLANNED +RESULT +PLAN\ntighten +22222222 +\S+ +22222222 +Breaks +[0-9a-f]{24}\n$/,
    );
    expect(err).toBe('1 more branches are not listed.\n');
    expect((await fso(server, 'get', 'plans')).out).toContain('Breaks');
  });

  it('explains why a branch has no plan', async () => {
    expect(await fso(server, 'plan', '--branch', 'broken')).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /makes no plan of the branch broken: The policy files of the branch cannot be read\.\npolicies\/x\.yaml.*is a submodule/,
      ),
    });
    expect(await fso(server, 'plan', '--branch', 'gone')).toMatchObject({ code: 2, err: expect.stringContaining('has no such branch') });
  });

  it.each([['--dir', '/'], ['--ref', 'x'], ['--base', 'main'], ['--offline']])('takes a branch in the place of %s', async (...option) => {
    const { code, err } = await runFso(['plan', '--branch', 'tighten', ...option]);
    expect([code, err]).toEqual([2, expect.stringContaining("option '--branch <name>' cannot be used with option")]);
  });
});
