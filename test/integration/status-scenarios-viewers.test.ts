import type { RoleGrant } from '@fso/shared/api';
import { type Report, totalOf } from '@fso/shared/protocol';
import { deviationsIn } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { inputOf } from '../../agent/report/testing/seen-cluster.ts';
import { ScopedLedger } from '../../hub/serve/scope/scoped-ledger.ts';
import { policyFile } from '../../shared/decode/testing/decoded.ts';
import { Shown } from '../harness/reported-hub.ts';
import { acceptedIn, commitOf, FIRST, NAMESPACES, R1, R2, type ReportingFleet, startFleet } from '../harness/reporting-fleet.ts';

/**
 * Scenarios 21 to 27 of status-scenarios.test.ts: viewers of a part, agents that begin again, and
 * those that lie.
 */

/** View of the hub for a viewer of these namespaces. */
const viewOf = ({ hub, clock }: ReportingFleet, ...targetNamespaces: string[]): Shown => {
  const grant: RoleGrant = { role: 'viewer', policies: { targetNamespaces } };
  return new Shown(new ScopedLedger(hub.ledger, [grant]), clock);
};

// 21
it("shows a policy that moves to another team's namespace to viewers of both, until its cluster has moved it", async () => {
  using world = await startFleet();
  const { fleet, eu } = world;
  const look = () =>
    Promise.all([viewOf(fleet, 'finance'), viewOf(fleet, 'hr'), viewOf(fleet, ...NAMESPACES)].map((view) => view.phases('eu')));
  const all = ['finance Active', 'hr Active'];
  expect(await look()).toEqual([['finance Active'], ['hr Active'], all]);
  const moved = commitOf(R2, policyFile('finance', { targetNamespace: 'hr' }), policyFile('hr'));
  await fleet.hub.commit(moved);
  // That it is meant for it the other team sees in Git; not what the cluster says of it.
  expect(await look()).toEqual([[], ['finance Pending', 'hr Active'], all]);
  await fleet.see(eu, { reports: { finance: { violations: 3 } } });
  expect((await viewOf(fleet, 'hr').cluster('eu')).violations).toBe(0);
  await fleet.see(eu, { ...acceptedIn(moved, 'eu'), reports: {} });
  expect(await look()).toEqual([[], all, all]);
});

// 22
it('counts for a viewer only what the viewer sees', async () => {
  using world = await startFleet();
  const { fleet, eu } = world;
  const view = viewOf(fleet, 'finance');
  const look = async () => {
    const [cluster, status, summary] = [await view.cluster('eu'), await view.status(), await view.summary('finance')];
    const hidden = [await view.summary('hr'), await view.row('hr', 'eu')];
    return { policies: cluster.policies, violations: cluster.violations, notKept: cluster.notKept, status, summary, hidden };
  };
  const before = await look();
  expect(before).toMatchObject({ policies: { total: 1, active: 1 }, status: { policies: { total: 1 } }, hidden: [undefined, undefined] });
  await fleet.see(eu, { reports: { hr: { phase: 'Failed', violations: 7 } } });
  expect(await look()).toEqual(before);
  await fleet.see(eu, { reports: {}, namespaces: ['finance'] });
  expect(await look()).toEqual(before);
});

// 23
it('shows a policy that a commit has removed until it is gone', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const second = commitOf(R2, policyFile('finance'));
  await fleet.hub.commit(second);
  const { list = [] } = acceptedIn(second, 'eu');
  await fleet.see(eu, { revision: R2, list, lives: eu.sight.lives });
  await fleet.pass(1_500);
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Active', 'hr Active'], R1]);
  await fleet.see(eu, { reports: { hr: { phase: 'Pending', message: 'Releasing: its namespace is released' } } });
  expect((await shown.report('hr', 'eu')).message).toContain('Releasing');
  await fleet.see(eu, { list, reports: {} });
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Active'], R2]);
});

/** The agent of eu starts again, without the list of the commit that it has accepted. */
const restartWithoutList = async ({ fleet, eu }: Awaited<ReturnType<typeof startFleet>>, lives = eu.sight.lives) => {
  eu.stop();
  return fleet.start('eu', { ...eu.sight, list: undefined, lives });
};

// 24
it('claims nothing of hidden policies where an agent no longer knows its list', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const again = await restartWithoutList(
    world,
    eu.sight.lives.filter(({ key }) => key !== 'hr'),
  );
  expect(await shown.phase('hr', 'eu')).toBe('Pending');
  expect(await shown.cluster('eu')).toMatchObject({ revision: R1, provenRevision: null });
  expect(await shown.issues()).toContain('PolicyNotProven hr eu');
  await fleet.see(again, acceptedIn(FIRST, 'eu'));
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Active', 'hr Active'], R1]);
});

// 24
it('does not show a policy as accepted where an agent no longer knows its list', async () => {
  using world = await startFleet();
  const other = commitOf(R1, policyFile('finance', { allowedRegions: ['eu-central-1'] }));
  // While it was away another user has changed finance.
  await restartWithoutList(
    world,
    (acceptedIn(other, 'eu').list ?? []).map((policy) => inputOf(policy)),
  );
  expect(await world.shown.phases('eu')).toEqual(['finance Pending', 'hr Pending']);
});

// 25
it('records one deviation and 20 violations for a cluster where all policies fail with their own messages', async () => {
  const names = Array.from({ length: 200 }, (_, at) => `policy-${String(at).padStart(3, '0')}`);
  const commit = commitOf(R1, ...names.map((name) => policyFile(name, { enforcementAction: 'dryrun' })));
  using world = await startFleet(commit, { namespaces: names });
  const { fleet, eu, shown } = world;
  const us = await fleet.start('us', { ...acceptedIn(commit, 'us'), namespaces: names });
  const sample = { kind: 'Pod', name: 'stray', reason: 'runs in us-east-1', since: '2026-01-01T00:00:00Z' };
  const failing = names.map((name) => {
    const violationSamples = Array.from({ length: 3 }, (_, at) => ({ ...sample, namespace: name, name: `stray-${at}` }));
    return [name, { phase: 'Failed', message: `${name}: ${'x'.repeat(1_000)}`, violations: 3, violationSamples }] as const;
  });
  for (const agent of [eu, us]) await fleet.see(agent, { reports: Object.fromEntries(failing) });
  const { cluster, ...last } = eu.said.at(-1) as Report;
  expect([last.deviations.length, last.deviations[0]?.policies.length, last.policies]).toEqual([1, names.length, []]);
  expect(JSON.stringify(last.deviations[0]?.deviation).length).toBeLessThanOrEqual(300);
  expect(JSON.stringify(last).length).toBeLessThan(names.length * 20 + 2_000);
  expect(cluster?.violationSamples).toHaveLength(20);
  // What is known of a policy is one object for both clusters, with a text for its code; beyond the
  // first 20 no violation is named.
  expect(await shown.report('policy-199', 'eu')).toBe(await shown.report('policy-199', 'us'));
  expect(await shown.report('policy-199', 'eu')).toMatchObject({
    phase: 'Failed',
    message: expect.stringContaining('3 workloads are outside of the allowed regions'),
    violations: 3,
    violationSamples: [],
    effectiveRegions: ['eu-west-1'],
    enforcementAction: 'dryrun',
  });
  expect((await shown.report('policy-000', 'eu')).violationSamples).toHaveLength(1);
  const named = await shown.violations();
  expect([named.length, named.slice(0, 4)]).toEqual([40, ['policy-000 eu', 'policy-001 eu', 'policy-002 eu', 'policy-003 eu']]);
  expect([(await shown.cluster('eu')).violations, (await shown.cluster('us')).policies.failed]).toEqual([600, 200]);
  expect(await shown.issues()).toContain('Violations policy-000 eu');
});

// 26
it('ignores a cluster that claims the report of another, and shows it as Pending where it reported otherwise', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const us = await fleet.start('us', { ...acceptedIn(FIRST, 'us'), namespaces: NAMESPACES });
  await fleet.see(eu, { reports: { finance: { phase: 'Failed' } } });
  const { total = { count: 0, root: '' } } = eu.said.at(-1) ?? {};
  us.onWay = (report) => ({ ...report, total });
  await fleet.see(us, { reports: { hr: { violations: 1 } } });
  expect(await shown.phases('us')).toEqual(['finance Pending', 'hr Pending']);
  expect(await shown.phases('eu')).toEqual(['finance Failed', 'hr Active']);
  // With the same root, and other bits: what the one has is not what the other has.
  await fleet.see(us, { reports: { finance: { phase: 'Failed' } }, namespaces: ['finance'] });
  // It answers a hub that asks again and again for everything once in a while.
  await fleet.pass(10_000);
  expect([await shown.phases('us'), await shown.phases('eu')]).toEqual([
    ['finance Failed', 'hr Pending'],
    ['finance Failed', 'hr Active'],
  ]);
  expect(totalOf(new Map(deviationsIn(us.said.at(-1)?.deviations ?? [])))).toEqual(total);
});

// 27
it('confirms nothing by reports of a former installation of the agent', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  await fleet.see(eu, { reports: { hr: { phase: 'Failed' } } });
  eu.stop();
  const again = await fleet.start('eu', { list: undefined, namespaces: NAMESPACES }, { isSilent: true });
  // It has not said anything.
  expect(await shown.phases('eu')).toEqual(['finance Pending', 'hr Failed']);
  await fleet.settle();
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Pending', 'hr Pending'], null]);
  await fleet.see(again, acceptedIn(FIRST, 'eu'));
  expect([await shown.phases('eu'), (await shown.cluster('eu')).provenRevision]).toEqual([['finance Active', 'hr Active'], R1]);
});
