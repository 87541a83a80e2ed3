import { CONDITIONS, type Condition } from '@fso/shared/api';
import type { Report } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { ownPolicyOf } from '../../agent/enforce/testing/policies.ts';
import { inputOf, PROFILE } from '../../agent/report/testing/seen-cluster.ts';
import { reportLimits } from '../../hub/ledger/report-quota.ts';
import { createMemoryLedger } from '../../hub/ledger/testing/memory-ledger.ts';
import { policyFile } from '../../shared/decode/testing/decoded.ts';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import { acceptedIn, commitOf, FIRST, NAMESPACES, R1, R2, R3, ReportingFleet, startFleet } from '../harness/reporting-fleet.ts';

/**
 * Tests of the status that a hub shows for clusters that report by exception: the scenarios of
 * docs/adr/0064-reports-by-exception.md, by number, end to end: the reporter of an agent, the
 * frames, the hub's handling of them, its ledger and its read model. 1 to 12 are here, 13 to 20
 * (commits and the past) in status-scenarios-commits.test.ts, 21 to 27 (viewers, other agents) in
 * status-scenarios-viewers.test.ts. Other tests cover the rest:
 *
 *  1 agent/report/hold-back.test.ts:
 *      is not that a policy is gone which cannot be put back
 *  2 agent/report/hold-back.test.ts:
 *      is said after a moment, with the policies that are Pending by it
 *  3 hub/delivery/reports/take-report.test.ts:
 *      a report that is lost or taken wrongly is Pending at once, asked for, and well again with
 *      the answer
 *  4 hub/ledger/policies/cluster-policies.test.ts:
 *      read by the rule, each alone and as a map, and seen in part
 *  7 hub/ledger/testing/report-tests.ts:
 *      keeps 2,000 policies that were applied in a cluster, the gravest first, and says how many
 *      more there are
 * 11 shared/kube/informer/reflector.test.ts:
 *      does not read 403 as absent
 * 12 One record for all policies that a cause of the whole cluster concerns is not built: each
 *      policy is reported by name while it lasts.
 * 15 hub/delivery/reports/lists.test.ts:
 *      asks which policies are in a list that it does not know, once, and shows those that it knows
 * 16 hub/delivery/reports/lists.test.ts:
 *      has the list of a commit before the agents get it
 * 18 test/integration/report-histories.test.ts:
 *      whatever is lost, both hubs know later what they knew when
 *    hub/ledger/history/policy-past.test.ts:
 *      put together is the same in the end, and in between never what was not so
 * 21 hub/serve/scope/scope-state.test.ts:
 *      are seen by their targets in Git and in the list of the cluster, both of them
 * 25 shared/status/deviation.test.ts:
 *      has at most 360 bytes, whatever it says
 * 26 hub/delivery/reports/lists.test.ts:
 *      takes no policies that do not have the digest of their list, and keeps an agent back that
 *      says so
 * 27 hub/delivery/delivery-reports.test.ts:
 *      an agent that has accepted nothing takes the place of one that had
 */

/** Deviations and policies that a report names. */
const namedIn = ({ deviations, policies }: Report): readonly unknown[] => [...deviations, ...policies];

// 1
it('shows a policy of the commit as Pending that is gone and cannot be put back', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Active', 'hr Active'], R1]);
  await fleet.see(eu, { reports: { finance: undefined }, generations: { finance: undefined } });
  expect(await shown.phases('eu')).toEqual(['finance Pending', 'hr Active']);
  expect((await shown.report('finance', 'eu')).message).toBe('not in the cluster, and cannot be written yet');
  expect((await shown.cluster('eu')).provenRevision).toBeNull();
  expect(await shown.issues()).toContain('PolicyNotProven finance eu');
});

// 2
it('never shows a commit as in force that was accepted and is not proven yet', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const second = commitOf(R2, policyFile('finance', { allowedRegions: ['eu-central-1'] }), policyFile('hr'));
  await fleet.hub.commit(second);
  const look = async () => {
    const { provenRevision, revision } = await shown.cluster('eu');
    const { revision: since, effectiveRegions } = await shown.report('finance', 'eu');
    return [revision, provenRevision, since, effectiveRegions.join(), await shown.phase('finance', 'eu')];
  };
  const { list = [] } = acceptedIn(second, 'eu');
  const written = list.map((policy) => inputOf(policy, { generation: policy.name === 'finance' ? 2 : 1 }));
  // It is written; what is seen of finance is of the generation before.
  await fleet.see(eu, { revision: R2, list, lives: eu.sight.lives, generations: { finance: 2 } });
  expect(await look()).toEqual([R2, R1, R1, 'eu-west-1', 'Active']);
  await fleet.pass(1_500);
  expect(await look()).toEqual([R2, R1, R2, 'eu-central-1', 'Pending']);
  await fleet.see(eu, { lives: written, unproven: new Set(['finance']) });
  await fleet.pass(20_000);
  expect(await look()).toEqual([R2, R1, R2, 'eu-central-1', 'Pending']);
  await fleet.see(eu, { unproven: new Set() });
  expect(await look()).toEqual([R2, R2, R2, 'eu-central-1', 'Active']);
});

// 3
it.each<[string, (report: Report) => Report | undefined]>([
  ['is lost', () => undefined],
  ['is taken without what it names', (report) => ({ ...report, deviations: [] })],
])('makes a cluster Pending with the next report after one that %s, and not a minute later', async (_what, lose) => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  eu.isDeaf = true;
  eu.onWay = lose;
  await fleet.see(eu, { reports: { finance: { phase: 'Failed' } } });
  eu.onWay = (report) => report;
  await fleet.see(eu, { reports: { finance: { phase: 'Failed' }, hr: { violations: 1 } } });
  expect((await shown.phases('eu')).filter((phase) => phase.endsWith('Active'))).toEqual([]);
  expect((await shown.cluster('eu')).provenRevision).toBeNull();
  // What the hub has asked for meanwhile did not arrive; the agent connects again.
  eu.isDeaf = false;
  await eu.connect(fleet.hub);
  await fleet.settle();
  expect(await shown.phases('eu')).toEqual(['finance Failed', 'hr Active']);
});

// 4
it('finds the missing namespace of a policy when another policy joins the list before it', async () => {
  using world = await startFleet(FIRST, { namespaces: ['hr', 'audit'] });
  const { fleet, eu, shown } = world;
  expect(await shown.phases('eu')).toEqual(['finance Pending', 'hr Active']);
  const second = commitOf(R2, policyFile('audit'), policyFile('finance'), policyFile('hr'));
  await fleet.hub.commit(second);
  expect(await shown.phases('eu')).toEqual(['audit Pending', 'finance Pending', 'hr Active']);
  await fleet.see(eu, acceptedIn(second, 'eu'));
  expect(await shown.phases('eu')).toEqual(['audit Active', 'finance Pending', 'hr Active']);
  // Bits over a list that this hub does not know say nothing.
  const third = commitOf(R3, policyFile('aaa'), policyFile('audit'), policyFile('finance'), policyFile('hr'));
  eu.isDeaf = true;
  await fleet.see(eu, acceptedIn(third, 'eu'));
  await fleet.pass(1_500);
  expect(await shown.phases('eu')).toEqual(['audit Pending', 'finance Pending', 'hr Pending']);
});

// 5
it('reports a missing namespace as one issue of the policy only where no cluster has it', async () => {
  const names = Array.from({ length: 10 }, (_, at) => `team-${at}`);
  const commit = commitOf(R1, ...names.map((name) => policyFile(name)));
  using world = await startFleet(commit, { namespaces: ['team-0', 'team-1'] });
  const { fleet, eu, shown } = world;
  await fleet.start('us', { ...acceptedIn(commit, 'us'), namespaces: names.slice(2, 9) });
  const inForce = async (cluster: string) => (await shown.phases(cluster)).filter((phase) => phase.endsWith('Active')).length;
  expect([await inForce('eu'), await inForce('us')]).toEqual([2, 7]);
  expect(await shown.report('team-5', 'eu')).toMatchObject({ phase: 'Pending', message: expect.stringContaining('does not exist') });
  expect(await shown.issues()).toEqual(['PolicyNotProven team-9 -']);
  await fleet.see(eu, { namespaces: ['team-0', 'team-9'] });
  expect(await shown.issues()).toEqual(['PolicyNotProven team-1 -']);
});

// 6
it('shows the namespaces of each of many globs, and reports each namespace once', async () => {
  const globs = ['*', 'team-*', 'team-1*', '*-prod', 'none-*'];
  const excludedNamespaces = ['team-2', '*-test'];
  const policies = Array.from({ length: 40 }, (_, at) =>
    policyFile(`policy-${at}`, { targetNamespace: globs[at % globs.length] ?? '', ...(at % 2 === 1 && { excludedNamespaces }) }),
  );
  const namespaces = [...Array.from({ length: 60 }, (_, at) => `team-${at}`), 'a-prod', 'a-test', 'kube-system', 'gatekeeper-system'];
  using world = await startFleet(commitOf(R1, ...policies), { namespaces });
  const { eu, shown } = world;
  for (const [key, { report }] of eu.snapshot.policies) {
    const { namespaces: governed, phase } = await shown.report(key, 'eu');
    expect([key, phase, governed.toSorted()]).toEqual([key, report.phase, report.namespaces.toSorted()]);
  }
  expect((await shown.report('policy-0', 'eu')).namespaces).toHaveLength(62);
  expect((await shown.report('policy-1', 'eu')).namespaces).toHaveLength(59);
  const [said, ...others] = eu.said;
  expect([others, said && namedIn(said), said?.baseline?.namespaces.length]).toEqual([[], [], 62]);
});

const rule = (name: string, allowedRegions: readonly ['eu-west-1' | 'us-east-1' | 'eu-central-1']) =>
  ownPolicyOf(name, { targetNamespace: 'finance', allowedRegions: [...allowedRegions] });

// 7
it('shows conforming local policies up to a bound, counts the rest, and hides no policy of the commit', async () => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock, reports: { ...reportLimits(), policies: 3 } });
  const local = ['a', 'b', 'c', 'd', 'e'].map((name) => rule(name, ['eu-west-1']));
  const lives = (acceptedIn(FIRST, 'eu').list ?? []).map((policy) => inputOf(policy));
  using world = await startFleet(FIRST, { lives: [...lives, ...local.slice(0, 3)] }, new ReportingFleet(clock, ledger));
  const { fleet, eu, shown } = world;
  const all = ['finance Active', 'finance/a Active', 'finance/b Active', 'finance/c Active', 'hr Active'];
  expect([await shown.phases('eu'), (await shown.cluster('eu')).notKept]).toEqual([all, null]);
  await fleet.see(eu, { lives: [...lives, ...local] });
  expect([await shown.phases('eu'), (await shown.cluster('eu')).notKept]).toEqual([all, 2]);
  // A tenant takes the label of the hub from finance.
  const impostor = lives.map((policy) => (policy.key === 'finance' ? { ...policy, managedBy: 'local' as const } : policy));
  await fleet.see(eu, { lives: impostor, generations: { finance: undefined } });
  expect(await shown.report('finance', 'eu')).toMatchObject({ managedBy: 'hub', phase: 'Pending' });
});

// 8
it('shows a local policy that leaves no region as in conflict, and changes no policy of the commit by one that narrows', async () => {
  const commit = commitOf(R1, policyFile('finance', { allowedRegions: ['eu-west-1', 'eu-central-1'] }), policyFile('hr'));
  const lives = (acceptedIn(commit, 'eu').list ?? []).map((policy) => inputOf(policy));
  using world = await startFleet(commit, { lives: [...lives, rule('narrow', ['eu-west-1'])] });
  const { fleet, eu, shown } = world;
  const agreed = async () => {
    for (const [key, { report }] of eu.snapshot.policies) {
      const { phase, effectiveRegions } = await shown.report(key, 'eu');
      expect([key, phase, effectiveRegions]).toEqual([key, report.phase, report.effectiveRegions]);
    }
  };
  await agreed();
  expect(await shown.phases('eu')).toEqual(['finance Active', 'finance/narrow Active', 'hr Active']);
  await fleet.see(eu, { lives: [...lives, rule('narrow', ['us-east-1'])] });
  await agreed();
  expect(await shown.issues()).toContain('PolicyConflict finance eu');
});

// 9
it('expires a policy by the clock of its cluster, without a report by name', async () => {
  const expiryDate = '2026-01-01T12:00:00.000Z';
  const commit = commitOf(R1, policyFile('finance', { expiryDate }), policyFile('hr'));
  using world = await startFleet(commit, { asOf: new Date('2026-01-01T11:59:59.999Z') });
  const { fleet, eu, shown } = world;
  await fleet.pass(13 * 3_600_000);
  expect(await shown.phase('finance', 'eu')).toBe('Active');
  await eu.goAway();
  expect(await shown.phase('finance', 'eu')).toBe('Pending');
  await eu.connect(fleet.hub);
  await fleet.see(eu, { asOf: new Date(expiryDate) });
  expect(await shown.phases('eu')).toEqual(['finance Expired', 'hr Active']);
  expect(eu.said.flatMap(namedIn)).toEqual([]);
  // The clock of the other one is ahead.
  await fleet.start('us', { ...acceptedIn(commit, 'us'), namespaces: NAMESPACES, asOf: new Date('2027-01-01T00:00:00Z') });
  expect([await shown.phase('finance', 'us'), await shown.phase('finance', 'eu')]).toEqual(['Expired', 'Expired']);
});

// 10
it.each([
  ['injection', { injection: false }, 'Enforced'],
  ['lock 1', { floor: false }, 'Unavailable'],
] as const)('reports no deviation of policies for what a whole cluster lacks: %s', async (_what, lacks, admission) => {
  const commit = commitOf(R1, policyFile('finance', { placementInjection: true }), policyFile('hr', { enforcementAction: 'warn' }));
  using world = await startFleet(commit, { profile: { ...PROFILE, ...lacks } });
  const { fleet, eu, shown } = world;
  await fleet.start('us', { ...acceptedIn(commit, 'us'), namespaces: NAMESPACES });
  expect(await shown.phases('eu')).toEqual(['finance Active', 'hr Active']);
  const stateIn = async (cluster: string) => (await shown.report('finance', cluster)).enforcement.admission.state;
  expect([await stateIn('eu'), await stateIn('us')]).toEqual([admission, 'Enforced']);
  expect([await shown.issues(), eu.said.flatMap(namedIn)]).toEqual([[], []]);
});

// 11
it('reports a missing Gatekeeper once, and shows on each policy that lock 2 is absent', async () => {
  using world = await startFleet(FIRST, { profile: { ...PROFILE, gatekeeper: false }, cluster: { gatekeeper: { state: 'Absent' } } });
  const { shown, eu } = world;
  expect(await shown.phases('eu')).toEqual(['finance Active', 'hr Active']);
  expect((await shown.report('finance', 'eu')).enforcement.gatekeeper).toEqual({
    state: 'Unavailable',
    message: 'Gatekeeper is not installed',
  });
  expect([await shown.issues(), eu.said.flatMap(namedIn)]).toEqual([
    ['ClusterNeverSeen - us', 'GatekeeperNotReady - eu', 'PolicyNotProven finance us', 'PolicyNotProven hr us'],
    [],
  ]);
});

const tampered: Condition = {
  type: CONDITIONS.tampered,
  status: 'True',
  reason: 'Repaired',
  message: 'the floor was changed',
  lastTransitionTime: '2026-01-01T00:00:00Z',
};

// 12
it('shows a problem of a whole cluster on all its policies while it lasts, and as one issue', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const lockTwo = { state: 'Degraded' as const, since: '2026-01-01T00:00:00Z', message: 'Gatekeeper does not answer' };
  const { enforcement } = await shown.report('finance', 'eu');
  const down = { phase: 'Pending' as const, enforcement: { ...enforcement, gatekeeper: lockTwo }, lastUpdated: lockTwo.since };
  await fleet.see(eu, { reports: { finance: down, hr: down }, cluster: { gatekeeper: { state: 'NotReady' } } });
  expect(await shown.phases('eu')).toEqual(['finance Pending', 'hr Pending']);
  expect((await shown.issues()).filter((issue) => issue.endsWith('- eu'))).toEqual(['GatekeeperNotReady - eu']);
  await fleet.see(eu, { reports: {}, cluster: { gatekeeper: { state: 'Ready' }, conditions: [tampered] } });
  expect(await shown.phases('eu')).toEqual(['finance Active', 'hr Active']);
  expect([(await shown.issues()).filter((issue) => issue.endsWith('eu')), (await shown.status()).clusters.tampered]).toEqual([
    ['Tampered - eu'],
    1,
  ]);
});
