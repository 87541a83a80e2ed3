import { CommitActivity, CommitPage, PolicyHistory, PolicySourceView, Trend } from '@fso/shared/api';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import type { StreamClient } from '../harness/stream-client.ts';
import { waitFor } from '../harness/waiting.ts';

let bench: HubHarness;
afterEach(() => bench.close());

const read = async (hub: RunningHub, path: string): Promise<unknown> => {
  const answer = await fetch(`${hub.url}/api/v1${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
};
const commit = async (hub: RunningHub, revision: string) => CommitActivity.parse(await read(hub, `/commits/${revision}`));
const reaches = (hub: RunningHub, revision: string, expected: object) =>
  waitFor(async () => expect(await commit(hub, revision)).toMatchObject(expected));

const clusterReport = (revision: string) => ({
  revision,
  provenRevision: revision,
  verification: 'unverified' as const,
  agentVersion: 'test',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Ready' as const },
  nodesByRegion: {},
  conditions: [],
});
const answers = new Map<StreamClient, number>();
/** Accepts the offer, and reports that everything is written and proven. */
const enforce = async (stream: StreamClient, revision: string): Promise<void> => {
  await waitFor(() => expect(stream.frames.some((frame) => frame.type === 'offer' && frame.revision === revision)).toBe(true));
  stream.send({ type: 'ack', revision, digest: 'd' });
  const seq = (answers.get(stream) ?? 0) + 1;
  answers.set(stream, seq);
  stream.send({ type: 'report', seq, full: true, cluster: clusterReport(revision), policies: [], removed: [], events: [] });
};

describe('the activity of a commit', () => {
  it('is recorded from the push until it is enforced, refused or rejected, through a rollback and a restart of the hub', async () => {
    bench = await openHubHarness();
    const { repository, startHub, agent } = bench;
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const [eu, us] = [await agent(hub, 'eu'), await agent(hub, 'us')];
    await reaches(hub, first, { state: 'inProgress', changes: { added: ['finance'] }, clusters: { total: 2, offered: 2 } });
    await enforce(eu, first);
    await reaches(hub, first, { state: 'inProgress', clusters: { accepted: 1, proven: 1 } });
    await enforce(us, first);
    await reaches(hub, first, { state: 'enforced' });
    const { hub: steps, enforcementMs, clusterSteps } = await commit(hub, first);
    const times = [steps.noticed, steps.fetched, steps.judged, steps.released, steps.compiled, ...Object.values(clusterSteps[0] ?? {})];
    expect(times.filter((time) => time === null)).toEqual([null]);
    expect(enforcementMs).toBeGreaterThanOrEqual(0);

    const broken = await repository.commit({ 'policies/bad.yaml': `${policyFile('bad')}  regoin: x\n` }, 'broken');
    hub.source.hint();
    await reaches(hub, broken, { state: 'rejected', problems: [{ path: 'policies/bad.yaml', line: 8 }], clusterSteps: [] });
    const second = await repository.commit(
      { 'policies/bad.yaml': null, 'policies/finance.yaml': policyFile('finance', ['eu-west-2']) },
      'second',
    );
    hub.source.hint();
    await waitFor(() => expect(us.frames.some((frame) => frame.type === 'offer' && frame.revision === second)).toBe(true));
    us.send({ type: 'nack', revision: second, reasons: [{ code: 'unsigned', message: 'it is not signed' }] });
    await reaches(hub, second, { state: 'refused', changes: { added: [], changed: ['finance'], removed: [] } });
    expect((await commit(hub, second)).clusterSteps.map(({ cluster, refused }) => [cluster, refused?.reasons])).toEqual([
      ['eu', undefined],
      ['us', [{ code: 'unsigned', reason: 'it is not signed' }]],
    ]);

    const source = PolicySourceView.parse(await read(hub, '/policy-sources/finance'));
    expect(source).toMatchObject({ revision: second, path: 'policies/finance.yaml', yaml: policyFile('finance', ['eu-west-2']) });
    const history = PolicyHistory.parse(await read(hub, '/policy-histories/finance'));
    expect([history.complete, history.items.map(({ commit: { subject }, change }) => [subject, change])]).toEqual([
      true,
      [
        ['second', 'changed'],
        ['first', 'added'],
      ],
    ]);

    await repository.git('push', '--quiet', '--force', 'origin', `${first}:main`);
    hub.source.hint();
    await enforce(eu, first);
    await enforce(us, first);
    const states = async () =>
      CommitPage.parse(await read(hub, '/commits')).items.map(({ commit: { subject }, state }) => [subject, state]);
    const all = [
      ['first', 'enforced'],
      ['second', 'refused'],
      ['broken', 'rejected'],
      ['first', 'enforced'],
    ];
    await waitFor(async () => expect(await states()).toEqual(all));
    expect(Trend.parse(await read(hub, '/trend')).items.at(-1)).toMatchObject({ connected: 2 });
    await hub.stop();

    const again = await startHub();
    await waitFor(async () => expect(again.source.state().lastFetch).not.toBeNull());
    expect(CommitPage.parse(await read(again, '/commits')).items.map(({ commit: { subject }, state }) => [subject, state])).toEqual(all);
    expect((await commit(again, first)).clusterSteps).toHaveLength(2);
  });
});
