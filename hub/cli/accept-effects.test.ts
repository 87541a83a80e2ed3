import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClusterPreview } from '@fso/shared/api';
import { Plan } from '@fso/shared/effects';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ApiHarness, commitRollout } from '../serve/testing/api-harness.ts';
import { desiredOf, FILES, TIME } from '../serve/testing/fleet.ts';
import { fso, startFilledApi } from './testing/run-fso.ts';

const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const refused = (begins: number): ClusterPreview => ({
  ...{ state: 'Answered', observedAt: TIME, lookedAt: { namespaces: 1, owners: 4, pods: 6 }, omitted: 0 },
  ...{ outside: NONE, refused: { ...NONE, after: begins, begins }, pending: NONE },
});

const financeFile = (regions: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: finance}\nspec: {targetNamespace: finance, allowedRegions: [${regions}]}\n`;

describe('Accept-Effects', () => {
  let root: string;
  let server: ApiHarness;
  let answers: Readonly<Record<string, ClusterPreview | 'NoAnswer'>>;
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', root, '-c', 'user.name=Ana', '-c', 'user.email=ana@example.org', ...args], { stdio: 'pipe' })
      .toString()
      .trim();
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const commit = (message: string): string => {
    git('add', '--all');
    git('commit', '--quiet', '--allow-empty', '--message', message);
    return git('rev-parse', 'HEAD');
  };
  const finance = (regions: string): void => put('policies/finance.yaml', financeFile(regions));
  /** Lets the hub follow a commit. */
  const follow = async (revision: string): Promise<void> => {
    const { commit: known } = commitRollout();
    await server.ledger.setSource({
      url: 'http://git',
      ref: 'main',
      revision: { ...known, revision },
      rejected: null,
      error: null,
      lastFetch: TIME,
    });
    await server.ledger.setDesired(desiredOf(revision));
  };
  const plan = (...args: string[]) => fso(server, 'plan', '--dir', root, '--ref', 'change', ...args);
  const planJson = async (...args: string[]) => Plan.parse(JSON.parse((await plan(...args, '-o', 'json')).out));

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'fso-accept-'));
    git('init', '--quiet', '--initial-branch', 'main');
    for (const { path, text } of FILES) put(path, text);
    commit('what is in force');
  });
  beforeEach(async () => {
    server = await startFilledApi({ agents: { preview: async (cluster) => answers[cluster] ?? 'NotConnected' } });
    await follow(git('rev-parse', 'main'));
    answers = { eu: refused(2), us: refused(0) };
    git('checkout', '--quiet', '-B', 'change', 'main');
    finance('eu-west-1');
    commit('tighten finance');
  });
  afterEach(() => server[Symbol.asyncDispose]());
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('passes a plan whose effects are those of the stored one, and names its author', async () => {
    const first = await plan('-o', 'markdown');
    const { id } = await planJson();
    expect([first.code, first.out.includes(`- To accept these effects, add \`Accept-Effects: ${id}\` to the commit message.\n`)]).toEqual([
      1,
      true,
    ]);
    git('commit', '--quiet', '--amend', '--message', `tighten finance\n\nAccept-Effects: ${id}\nReviewed-by: Bob`);
    const { code, out, err } = await plan();
    expect([code, out.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^Breaks, accepted by plan ${id} of anonymous at [-0-9TZ:.]+: 1 of 1 change would refuse`)),
    ]);
    expect(err).not.toContain(id);
    const comment = await plan('-o', 'markdown');
    expect([comment.code, comment.out]).toEqual([
      0,
      expect.stringContaining(`\n**Breaks, accepted by plan \`${id}\` of \`anonymous\` at `),
    ]);
    answers = { eu: refused(1), us: refused(0) };
    expect((await plan()).code).toBe(0);
  });

  it('fails a plan that goes beyond the stored one, and names what is more', async () => {
    const { id } = await planJson();
    answers = { eu: refused(3), us: refused(1) };
    put(
      'policies/new.yaml',
      'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: new}\nspec: {targetNamespace: new, allowedRegions: [eu-west-1]}\n',
    );
    commit(`more\n\nAccept-Effects: ${id}`);
    const { code, out } = await plan();
    expect([code, out.split('\n').slice(0, 5)]).toEqual([
      1,
      [
        expect.stringMatching(
          new RegExp(` Not accepted: its effects go beyond those of the plan \\(plan ${id} of anonymous at [^)]+\\)\\.$`),
        ),
        'Beyond the plan: eu: namespace new: deny appears',
        'Beyond the plan: us: namespace new: deny appears',
        'Beyond the plan: eu: would be refused at the next start: 3 owners, and 2 in the plan',
        'Beyond the plan: us: would be refused at the next start: 1 owner, and none in the plan',
      ],
    ]);
    const { out: comment } = await plan('-o', 'markdown');
    expect(comment).toContain('\n- Beyond the plan: `eu`: `namespace new: deny appears`\n');
  });

  it('counts the newest commit that names a plan, and no commit in force', async () => {
    const { id } = await planJson();
    commit(`first\n\nAccept-Effects: ${'0'.repeat(24)}`);
    expect((await planJson()).acceptance?.state).toBe('UnknownPlan');
    commit(`second\n\nAccept-Effects: ${id}`);
    commit('third');
    expect((await planJson()).result).toBe('Accepted');
    await follow(git('rev-parse', 'change'));
    finance('eu-central-1');
    commit('fourth');
    expect((await planJson()).acceptance).toBeNull();
  });

  it('does not accept a plan that was made from other policies', async () => {
    const { id } = await planJson();
    git('checkout', '--quiet', '-B', 'next', 'main');
    put('policies/hr.yaml', FILES[4]?.text.replace('eu-west-1', 'eu-central-1') ?? '');
    const next = commit('another change is in force');
    await server.ledger.setSource({
      url: 'http://git',
      ref: 'main',
      revision: { ...commitRollout().commit, revision: next },
      rejected: null,
      error: null,
      lastFetch: TIME,
    });
    const files = FILES.map((file) =>
      file.path === 'policies/hr.yaml' ? { ...file, text: file.text.replace('eu-west-1', 'eu-central-1') } : file,
    );
    await server.ledger.setDesired(desiredOf(next, files));
    git('checkout', '--quiet', '-B', 'change', 'next');
    finance('eu-west-1');
    commit(`rebased\n\nAccept-Effects: ${id}`);
    const { code, out } = await plan();
    expect([code, out]).toEqual([1, expect.stringContaining('Not accepted: the plan was made from other policies or registrations')]);
  });

  it.each([
    ['text', '<img src=x onerror=alert(1)> @ana `code`'],
    ['a megabyte', 'x'.repeat(1024 * 1024)],
    ['nothing', ''],
  ])('bounds what names no plan: %s', async (_what, value) => {
    const file = join(root, '..', `message-${process.pid}`);
    writeFileSync(file, `change\n\nAccept-Effects: ${value}\n`);
    git('commit', '--quiet', '--allow-empty', '--file', file);
    rmSync(file);
    const { code, out } = await plan('-o', 'markdown');
    expect([code, out]).toEqual([
      1,
      expect.stringContaining('Not accepted: Accept-Effects names no plan, whose id has 24 hexadecimal digits.**'),
    ]);
    expect(out.length).toBeLessThan(2_000);
    expect(out).not.toMatch(/onerror|xxx|@ana/);
  });

  it('does not accept where a cluster did not answer, also with --allow-missing', async () => {
    const { id } = await planJson();
    commit(`accepted\n\nAccept-Effects: ${id}`);
    answers = { eu: refused(2), us: 'NoAnswer' };
    const { code, out } = await plan('--allow-missing');
    expect([code, out]).toEqual([1, expect.stringContaining('\nBeyond the plan: us: they did not answer\n')]);
  });

  it('is not read without the commit in force, as the plan shows', async () => {
    const { id } = await planJson();
    commit(`accepted\n\nAccept-Effects: ${id}`);
    await follow('c'.repeat(40));
    const { code, out } = await plan('-o', 'markdown');
    const why = 'Not accepted: this repository does not have the commit in force, so that no trailer Accept-Effects was read.**';
    expect([code, out]).toEqual([1, expect.stringContaining(why)]);
    expect(out).toMatch(/\n- Stored as plan `[0-9a-f]{24}`; fetch the commit in force to accept its effects\.\n/);
    expect(await planJson()).toMatchObject({ result: 'Breaks', acceptance: { state: 'NotRead', plan: null } });
    git('checkout', '--quiet', '-B', 'change', 'main');
    expect((await planJson()).acceptance).toBeNull();
  });

  it('shows stored plans', async () => {
    const { id } = await planJson();
    expect((await fso(server, 'get', 'plans')).out).toMatch(new RegExp(`^ID .*\n${id} .* anonymous +Breaks +main \\([0-9a-f]{8}\\)\n$`));
    const { code, out } = await fso(server, 'get', 'plan', id ?? '');
    expect([code, out]).toEqual([
      0,
      expect.stringContaining('\neu, us    finance     deny    tightened  yes     eu-central-1, eu-west-1  eu-west-1\n'),
    ]);
    expect(JSON.parse((await fso(server, 'get', 'plan', id ?? '', '-o', 'json')).out)).toMatchObject({ id, patterns: [] });
    expect(out).toContain('\nOutcome:        Not in force: the commit in force differs from what was planned.');
    const tight = FILES.map((file) => (file.path === 'policies/finance.yaml' ? { ...file, text: financeFile('eu-west-1') } : file));
    await server.ledger.setDesired(desiredOf('d'.repeat(40), tight));
    const merged = await fso(server, 'get', 'plan', id ?? '');
    expect(merged.out).toContain(
      '\nOutcome:        In force: by commit dddddddd the 2 clusters of this plan get what was planned. Not known of 2 clusters',
    );
    expect(merged.out).toMatch(/\neu +refused at next start +0 +2 +Unknown: it does not enforce the commit yet +not known\n/);
    expect((await fso(server, 'get', 'plan', '0'.repeat(24))).code).toBe(1);
    expect((await fso(server, 'get', 'plan', '../clusters')).code).toBe(2);
  });

  it('is explained where no hub makes the plan', async () => {
    const { err } = await plan('--offline', '--base', 'main');
    expect(err).toContain('A plan of a hub alone has an id by which its effects can be accepted.\n');
  });
});
