import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RolloutRun } from '../rollout/index.ts';
import type { ApiHarness } from '../serve/testing/api-harness.ts';
import { clusterReport, desiredOf, FILES, report } from '../serve/testing/fleet.ts';
import { type Outcome, runFso, startFilledApi } from './testing/run-fso.ts';

const [BASE, NEWEST] = ['b2', 'c3'].map((pair) => pair.repeat(20)) as [string, string];
const canary = { name: 'canary', clusterSelector: { matchLabels: { env: 'prod' } }, maxNewViolations: 0 };

/** A run whose canary, eu, has a commit with new violations. */
const HALTED: RolloutRun = {
  sequence: 1,
  base: { revision: BASE, strategy: { waves: [canary] } },
  revision: NEWEST,
  since: Date.parse('2026-01-03T10:30:00Z'),
  superseded: [],
  reached: [BASE, BASE],
  moves: { eu: { revision: NEWEST, at: 0, before: { violations: 0, refused: null, pending: null } } },
  wave: { since: 0, soakSince: null, waived: false },
  halt: { wave: 'canary', gate: 'NewViolations', clusters: ['eu'], problem: '3 new violations; the wave may have 0', since: 0 },
  paused: null,
};

const TOKEN = 'token-of-an-administrator';
let server: ApiHarness;
const fso = (...args: string[]): Promise<Outcome> => runFso(args, { FSO_SERVER: server.url, FSO_TOKEN: TOKEN });

beforeAll(async () => {
  server = await startFilledApi({ apiToken: TOKEN });
  await server.ledger.records.update('rollout', 'run', () => HALTED);
  server.rollout.take({ desired: desiredOf(NEWEST, FILES), digests: new Map() });
});
afterAll(() => server[Symbol.asyncDispose]());

describe('fso rollout', () => {
  it('shows the waves, the failed gate, and what to do', async () => {
    const { code, out } = await fso('rollout', 'status', '--watch');
    expect(code).toBe(1);
    expect(out).toMatch(/^Halted: +wave canary, gate NewViolations, .*: 3 new violations; the wave may have 0$/m);
    expect(out).toMatch(/^Next: +`git revert c3c3c3c3c3c3` and push, .*`fso rollout resume --halt 1970-01-01T00:00:00\.000Z`/m);
    expect(out).toMatch(/^canary +Halted +b2b2b2b2 +1 /m);
    expect(out).toMatch(/^\(others\) +Waiting +b2b2b2b2 +1 /m);
  });

  it('pauses and resumes, and records who did', async () => {
    expect(await fso('rollout', 'pause')).toMatchObject({ code: 0, out: expect.stringContaining('c3c3c3c3 is paused') });
    const held = await fso('rollout', 'status', '--watch');
    expect([held.code, held.out]).toEqual([1, expect.stringMatching(/^State: +Paused$[\s\S]*^Halted: +wave canary/m)]);
    const ended = await fso('rollout', 'resume');
    expect([ended.code, ended.out]).toEqual([0, expect.stringMatching(/goes on\.\nStill halted: 3 new violations/)]);
    const other = await fso('rollout', 'resume', '--halt', '1970-01-01T00:00:01Z');
    expect([other.code, other.out, other.err]).toEqual([
      1,
      '',
      expect.stringMatching(/Gate NewViolations of wave canary has failed at 1970-01-01T00:00:00/),
    ]);
    const passed = await fso('rollout', 'resume', '--revision', NEWEST);
    const gate = 'Passes gate NewViolations of wave canary: 3 new violations; the wave may have 0 (eu).';
    expect([passed.code, passed.out]).toEqual([0, `${gate}\nThe rollout of c3c3c3c3 goes on.\n`]);
    expect(server.audit.map(({ action, detail }) => [action, detail])).toEqual([
      ['pauseRollout', ''],
      ['resumeRollout', ''],
      ['resumeRollout', expect.stringMatching(/^Gate NewViolations of wave canary has failed/)],
      ['resumeRollout', 'canary: 3 new violations; the wave may have 0'],
    ]);
  });

  it('prints what approves the commit for a wave, and signs nothing', async () => {
    const { code, out } = await fso('rollout', 'approve', 'canary', '--suffix', 'bob');
    const name = `fso/approve/${NEWEST}/canary+bob`;
    expect([code, out.split('\n')]).toEqual([
      0,
      [
        'git fetch origin',
        `git diff ${BASE} ${NEWEST}`,
        `git tag -s -m 'Approve c3c3c3c3 for wave canary' ${name} ${NEWEST}`,
        `git push origin ${name}`,
        '',
      ],
    ]);
    expect(await fso('rollout', 'approve', 'production')).toMatchObject({ code: 1, err: expect.stringContaining('No rollout has a wave') });
    expect(await fso('rollout', 'approve', 'canary', '--suffix', '$(id)')).toMatchObject({
      code: 2,
      err: expect.stringContaining('No tag'),
    });
  });

  it('prints no tag that an agent has chosen', async () => {
    const other = `fso/approve/${NEWEST}/production`;
    const held = { revision: NEWEST, tag: other, missing: 1, approvers: ['bob'], problems: [] };
    await server.ledger.applyReport('eu', report({ cluster: { ...clusterReport(BASE), held } }));
    const { code, out, err } = await fso('rollout', 'approve', 'canary');
    expect([code, out]).toEqual([0, expect.stringContaining(`git push origin fso/approve/${NEWEST}/canary\n`)]);
    expect([out.includes(other), err]).toEqual([false, expect.stringContaining(other)]);
  });

  it('prints what lets a commit skip waves, only for one that asks for it, and shows who let it', async () => {
    expect(await fso('rollout', 'approve')).toMatchObject({ code: 2, err: expect.stringContaining('Name a wave, or say --immediate') });
    expect(await fso('rollout', 'approve', 'canary', '--immediate')).toMatchObject({ code: 2 });
    const none = await fso('rollout', 'approve', '--immediate');
    expect([none.code, none.out, none.err]).toEqual([1, '', expect.stringContaining('no trailer `Rollout: immediate`')]);
    const before = server.ledger.records.get('rollout', 'run');
    const immediate = { from: BASE, since: Date.parse('2026-01-03T10:30:00Z'), signer: 'ana (SHA256:a)', taggedBy: ['bob (SHA256:b)'] };
    const base = { revision: NEWEST, strategy: { waves: [canary] } };
    await server.ledger.records.update('rollout', 'run', () => ({ ...HALTED, base, halt: null, moves: {}, immediate }));
    const { code, out } = await fso('rollout', 'status');
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^Immediate: +every cluster .* ago: signed by ana \(SHA256:a\), tagged by bob/m),
    ]);
    const name = `fso/immediate/${NEWEST}+carol`;
    const late = await fso('rollout', 'approve', '--immediate', '--suffix', 'carol');
    expect(late.err).toContain('Every wave counts as having this commit');
    expect(late.out.split('\n')).toEqual([
      'git fetch origin',
      `git tag -s -m 'Give c3c3c3c3 to every cluster at once' ${name} ${NEWEST}`,
      `git push origin ${name}`,
      '',
    ]);
    await server.ledger.records.update('rollout', 'run', () => before);
  });

  it('shows what approves an unseen wave, and passes it by no resume', async () => {
    const before = server.ledger.records.get('rollout', 'run');
    const halt = {
      wave: 'canary',
      gate: 'NothingLookedAt',
      clusters: ['eu'],
      problem: 'the gates looked at 0 clusters',
      since: 0,
    } as const;
    const base = { revision: BASE, strategy: { waves: [canary], approvers: ['bob', 'carol'] } };
    await server.ledger.records.update('rollout', 'run', () => ({ ...HALTED, base, halt }));
    const { code, out } = await fso('rollout', 'status');
    const tag = `fso/approve/${NEWEST}/canary`;
    expect([code, out]).toEqual([1, expect.stringMatching(/^Next: +`git revert .*; or `fso rollout approve canary`, which prints how/m)]);
    expect(out).toMatch(new RegExp(`^Approval: +wave canary waits \\(the hub\\) for 1 signed tag ${tag} by bob, carol; `, 'm'));
    const refused = await fso('rollout', 'resume');
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(refused.err).toMatch(
      new RegExp(`No resume passes gate NothingLookedAt.*\`fso rollout approve canary\`.* ${tag} of bob or carol`),
    );
    await server.ledger.records.update('rollout', 'run', () => before);
  });

  it('refuses a resume of another commit, and one of what is not held', async () => {
    const other = await fso('rollout', 'resume', '--revision', BASE);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining(`The rollout is of ${NEWEST} by now`)]);
    const none = await fso('rollout', 'resume');
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('neither paused nor halted')]);
  });

  it('writes no control characters of a hub to the terminal', async () => {
    const halted = { wave: 'a\u001b[2J', gate: 'b\u001b[2J', clusters: [], problem: 'c\u001b[2J', since: '2026-01-01T00:00:00Z', next: '' };
    const asked = { tag: `fso/immediate/${NEWEST}`, signer: 'ana', taggedBy: [], since: null, missing: 2, approvers: ['bob', 'carol'] };
    const immediate = { ...asked, problems: ['d\u001b[2J'] };
    const rollout = { revision: NEWEST, state: 'Halted', base: BASE, since: null, waves: [], halted, paused: null, immediate };
    const hub = createServer((req, res) => {
      const answer = req.method === 'POST' ? { ...rollout, halted: null, passed: halted } : rollout;
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    }).listen(0, '127.0.0.1');
    await once(hub, 'listening');
    const { port } = hub.address() as AddressInfo;
    const settings = { FSO_SERVER: `http://127.0.0.1:${port}` };
    const status = await runFso(['rollout', 'status'], settings);
    expect(status.out).toContain(`goes by waves until there are 2 signed tags fso/immediate/${NEWEST} by bob, carol; d [2J\n`);
    const { out } = await runFso(['rollout', 'resume'], settings);
    expect(out).toBe('Passes gate b [2J of wave a [2J: c [2J.\nThe rollout of c3c3c3c3 goes on.\n');
    hub.close();
  });
});
