import { CommitActivity, CommitPage, PolicyHistory, PolicySourceView, Trend } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { writeRollout } from '../../../rollout/index.ts';
import { commitRollout, fillLedger, startApiHarness } from '../../testing/api-harness.ts';
import { desiredOf, REVISION, TIME } from '../../testing/fleet.ts';

const started = async () => {
  const clock = new FakeClock(new Date(TIME));
  const server = await startApiHarness({ clock });
  await fillLedger(server.ledger);
  const read = async (path: string) => (await fetch(`${server.url}/api/v1${path}`)).json();
  return { ...server, clock, read, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

const revisionOf = (n: number): string => n.toString(16).padStart(40, '0');

describe('commits', () => {
  it('are listed newest first, in pages, and shown one by one', async () => {
    await using server = await started();
    const { records } = server.ledger;
    for (let n = 2; n < 6; n += 1)
      await writeRollout(
        records,
        commitRollout({ sequence: n, enforced: null, commit: { ...commitRollout().commit, revision: revisionOf(n) } }),
      );
    const first = CommitPage.parse(await server.read('/commits?limit=3'));
    expect(first.items.map(({ commit, state }) => [commit.revision, state])).toEqual([5, 4, 3].map((n) => [revisionOf(n), 'inProgress']));
    const second = CommitPage.parse(await server.read(`/commits?limit=3&cursor=${first.next}`));
    expect([second.items.map(({ commit }) => commit.revision), second.total, second.next]).toEqual([[revisionOf(2), REVISION], 5, null]);
    expect(CommitActivity.parse(await server.read(`/commits/${REVISION}`))).toMatchObject({ state: 'enforced', enforcementMs: 0 });
    expect((await fetch(`${server.url}/api/v1/commits/${revisionOf(9)}`)).status).toBe(404);
  });
});

describe('trend', () => {
  it('ends with the present and needs sensible hours', async () => {
    await using server = await started();
    const { items } = Trend.parse(await server.read('/trend?hours=2160'));
    expect(items).toEqual([expect.objectContaining({ connected: null }), { time: TIME, violations: 1, failed: 0, connected: 2 }]);
    for (const hours of ['0', '2161', 'x']) expect((await fetch(`${server.url}/api/v1/trend?hours=${hours}`)).status).toBe(400);
  });
});

const IN_GIT = ['policy-sources', 'policy-histories'];

describe('a policy in Git', () => {
  it('is shown with its source text and the commits that changed it', async () => {
    await using server = await started();
    const source = PolicySourceView.parse(await server.read('/policy-sources/finance'));
    expect(source).toMatchObject({
      path: 'policies/finance.yaml',
      line: 1,
      revision: REVISION,
      yaml: expect.stringContaining('{name: finance}'),
    });
    const history = PolicyHistory.parse(await server.read('/policy-histories/finance'));
    expect(history).toMatchObject({ complete: true, items: [{ change: 'added', commit: { revision: REVISION }, yaml: source.yaml }] });
    for (const name of ['none', 'other%2Ffinance'])
      for (const list of IN_GIT) expect((await fetch(`${server.url}/api/v1/${list}/${name}`)).status).toBe(404);
  });

  it('is requested again where the clone does not have the commit yet', async () => {
    await using server = await started();
    await server.ledger.setDesired(desiredOf('c'.repeat(40)));
    for (const list of IN_GIT) {
      const answer = await fetch(`${server.url}/api/v1/${list}/finance`);
      expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '5']);
    }
  });
});
