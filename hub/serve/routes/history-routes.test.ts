import type { ClusterHistoryItem, PolicyStateView, ProblemDetails } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { runFso } from '../../cli/testing/run-fso.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { startApiHarness } from '../testing/api-harness.ts';
import { clusterReport, OLD_REVISION, policyReport, REVISION, report, reportChange } from '../testing/fleet.ts';

const shortReport = (name: string) => {
  const { lastUpdated: _time, ...rest } = policyReport(name, { revision: OLD_REVISION });
  return rest;
};

/**
 * A cluster in which finance was proven, failed, was proven with violations, and whose hub then
 * lost it.
 */
const tell = async () => {
  const clock = new FakeClock(new Date('2026-01-03T10:30:00.000Z'));
  const ledger = createMemoryLedger({ clock });
  const times: string[] = [];
  const then = async (...writes: (() => Promise<void>)[]) => {
    await clock.advance(60_000);
    times.push(clock.now().toISOString());
    for (const write of writes) await write();
  };
  const say = (change: Parameters<typeof reportChange>[2]) => () => reportChange(ledger, 'eu', change);
  await then(
    () => ledger.setConnected('eu', true),
    () => ledger.setAck('eu', { revision: REVISION, digest: null }),
    say({ full: true, policies: [shortReport('finance'), shortReport('hr')], cluster: clusterReport(REVISION, OLD_REVISION) }),
  );
  await then(say({ policies: [policyReport('finance', { phase: 'Failed' })] }));
  await then(say({ policies: [policyReport('finance', { violations: 2 })], cluster: clusterReport() }));
  await then(
    () => ledger.setConnected('eu', true),
    () => ledger.setConnected('eu', false),
  );
  await then(say({ removed: ['finance'] }));
  return { clock, ledger, times };
};

it('shows whether a policy was proven in a cluster at a time, and what changed', async () => {
  const { clock, ledger, times } = await tell();
  await using server = await startApiHarness({ ledger, clock });
  const read = async <T>(path: string) => (await (await fetch(`${server.url}/api/v1/clusters/${path}`)).json()) as T;
  const stateAt = (at: string | undefined, policy = 'finance', cluster = 'eu') =>
    read<PolicyStateView>(`${cluster}/state?policy=${policy}${at === undefined ? '' : `&at=${at}`}`);
  const [proven, failed, violating, away, gone] = times;
  expect(await stateAt(proven)).toEqual({
    cluster: 'eu',
    policy: 'finance',
    at: proven,
    proven: 'yes',
    reason: 'Its agent had proven every lock of the policy that the cluster can have.',
    state: { value: { phase: 'Active', conforms: true, violates: false, revision: OLD_REVISION }, since: proven },
    connected: { value: true, since: proven },
    observed: { value: true, since: proven },
    accepted: { value: REVISION, since: proven },
    provenRevision: { value: OLD_REVISION, since: proven },
  });
  const verdict = async (at: string | undefined, policy?: string, cluster?: string) => {
    const { proven: answer, reason } = await stateAt(at, policy, cluster);
    return [answer, reason];
  };
  expect(await verdict(failed)).toEqual(['no', 'Its phase was Failed.']);
  expect(await verdict(violating)).toEqual([
    'yes',
    'Its agent had proven every lock of the policy that the cluster can have; there were violations.',
  ]);
  expect(await verdict(away)).toEqual(['unknown', `The cluster was not connected. What it said last, as of ${violating}: Active.`]);
  const last = `The cluster was not connected. What it said last, as of ${gone}: the cluster does not have the policy.`;
  expect(await verdict(gone)).toEqual(['unknown', last]);
  await ledger.setConnected('eu', true);
  await clock.advance(1);
  expect(await verdict(undefined)).toEqual(['no', 'The cluster did not have the policy.']);
  expect(await verdict('2030-01-01T00:00:00Z')).toEqual(['unknown', 'That time has not come yet.']);
  const nothing = ['unknown', 'What this cluster had said of this policy by that time is not known.'];
  expect(await verdict('2026-01-03T10:00:00Z')).toEqual(nothing);
  // The list of the cluster does not have it.
  expect(await verdict(proven, 'none')).toEqual(['no', 'The cluster did not have the policy.']);
  expect(await verdict(away, 'finance', 'nowhere')).toEqual(nothing);

  const { items } = await read<{ items: ClusterHistoryItem[] }>('eu/history?policy=finance');
  expect(items.map(({ time, kind, revision, state }) => [times.indexOf(time), kind, revision ?? state?.phase])).toEqual([
    [4, 'connected', undefined],
    [4, 'gone', undefined],
    [3, 'disconnected', undefined],
    [2, 'policy', 'Active'],
    [2, 'proven', REVISION],
    [1, 'policy', 'Failed'],
    [0, 'policy', 'Active'],
    [0, 'proven', OLD_REVISION],
    [0, 'accepted', REVISION],
    [0, 'connected', undefined],
  ]);
  const problem = await read<ProblemDetails>('eu/state?policy=finance&at=yesterday');
  expect([problem.status, problem.detail]).toEqual([400, expect.stringContaining('at: must be a time such as')]);
  expect((await read<ProblemDetails>('eu/history')).detail).toMatch(/policy/);
  expect((await read<ProblemDetails>('%00/state?policy=finance')).status).toBe(400);
});

it('answers "unknown" for a time at which the agent did not observe its cluster', async () => {
  const { clock, ledger, times } = await tell();
  await using server = await startApiHarness({ ledger, clock });
  const stream = { id: 'a', isOpen: () => true };
  await ledger.openStream('us', stream);
  await ledger.applyReport('us', report({ seq: 1, full: true, policies: [shortReport('finance')] }), stream);
  await ledger.confirmStream('us', stream);
  const marks = [clock.now().toISOString()];
  for (const outOfDate of [['Pod'], []]) {
    await clock.advance(60_000);
    await ledger.noteObserved('us', outOfDate, stream);
    marks.push(clock.now().toISOString());
  }
  const read = async <T>(path: string) => (await (await fetch(`${server.url}/api/v1/clusters/us/${path}`)).json()) as T;
  const states = await Promise.all(marks.map((at) => read<PolicyStateView>(`state?policy=finance&at=${at}`)));
  expect(states.map(({ proven, observed }) => [proven, observed])).toEqual([
    ['yes', { value: true, since: times.at(-1) }],
    ['unknown', { value: false, since: marks[1] }],
    ['yes', { value: true, since: marks[2] }],
  ]);
  expect(states[1]?.reason).toMatch(/^The agent was connected and did not observe the cluster\. What it said last, .*: Active\.$/);
  const { items } = await read<{ items: ClusterHistoryItem[] }>('history?policy=finance');
  expect(items.map(({ kind }) => kind)).toEqual(['observed', 'notObserved', 'connected', 'policy']);
  const { out } = await runFso(['history', 'finance', '--cluster', 'us', '--at', marks[1] as string], { FSO_SERVER: server.url });
  expect(out).toMatch(/Connected: +yes, .*\nObserved: +no, since/);
});

it('gives fso history the same answer', async () => {
  const { clock, ledger, times } = await tell();
  await using server = await startApiHarness({ ledger, clock });
  const fso = (...args: string[]) => runFso(['history', ...args], { FSO_SERVER: server.url });
  const { out } = await fso('finance', '--cluster', 'eu');
  expect(out).toMatch(/^TIME +WHAT +DETAIL\n\S+ +gone/);
  expect(out).toMatch(/policy +Active, violations, unchanged since commit a1a1a1a1\n/);
  expect(out).toMatch(/policy +Active, conforms, unchanged since commit b2b2b2b2\n/);
  const at = await fso('finance', '--cluster', 'eu', '--at', times[1] as string);
  expect(at.out).toMatch(/Proven: +no\nReason: +Its phase was Failed\.\n/);
  expect(JSON.parse((await fso('finance', '--cluster', 'eu', '--at', times[0] as string, '-o', 'json')).out)).toMatchObject({
    proven: 'yes',
  });
  for (const wrong of ['noon', '2026-02-30', '2026-01-03T10:30:00'])
    expect(await fso('finance', '--cluster', 'eu', '--at', wrong)).toMatchObject({
      code: 2,
      err: expect.stringContaining('2026-01-03T11:30:00+01:00'),
    });
  expect(await fso('finance')).toMatchObject({ code: 2, err: expect.stringContaining('--cluster') });
});
