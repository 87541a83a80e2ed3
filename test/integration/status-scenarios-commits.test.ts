import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOfPolicies } from '@fso/shared/compile';
import { sha256 } from '@fso/shared/encoding';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inputOf } from '../../agent/report/testing/seen-cluster.ts';
import {
  backupLedger,
  checkBackup,
  type DatabaseConfig,
  type Ledger,
  openDatabase,
  openLedger,
  openReader,
  restoreLedger,
} from '../../hub/ledger/index.ts';
import { policyFile } from '../../shared/decode/testing/decoded.ts';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { ReportedHub, type Shown } from '../harness/reported-hub.ts';
import { acceptedIn, commitOf, FIRST, NAMESPACES, R1, R2, R3, ReportingFleet, startFleet } from '../harness/reporting-fleet.ts';
import { never, waitFor } from '../harness/waiting.ts';

/** Scenarios 13 to 20 of status-scenarios.test.ts: lists of commits, other hubs, and the past. */

const logger = createLogger({ name: 'test', level: 'silent' });
let folder: string;
let postgres: TestPostgres;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-scenarios-'));
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true });
});

/** Its times are those of a fake clock, its pauses are not. */
const open = (database: DatabaseConfig, clock: FakeClock): Promise<Ledger> =>
  openLedger(
    { database, history: { days: 30, events: 1_000 }, clock: { ...systemClock, now: () => clock.now() }, random: Math.random, logger },
    never,
  );

/** A fleet whose hub has a database. */
const startStored = async (database: DatabaseConfig) => {
  const clock = new FakeClock();
  const world = await startFleet(FIRST, { namespaces: ['finance'] }, new ReportingFleet(clock, await open(database, clock)));
  const restart = async (commit = FIRST): Promise<Shown> => {
    await world.eu.goAway();
    await world.fleet.hub.ledger.close();
    const hub = new ReportedHub(clock, await open(database, clock));
    await hub.commit(commit);
    await world.fleet.replaceHub(hub);
    return hub.shown;
  };
  return {
    ...world,
    clock,
    restart,
    [Symbol.asyncDispose]: async () => world.fleet.hub.ledger.close().finally(() => world.fleet[Symbol.dispose]()),
  };
};

/** Commits that came since, more than a hub holds the lists of. */
const MANY = Array.from({ length: 70 }, (_, at) => commitOf(sha256(`${at}`).slice(0, 40), policyFile(`policy-${at}`)));

// 13
it('shows what a cluster that is weeks behind has, also at a hub that starts', async () => {
  await using world = await startStored({ folder: join(folder, 'behind') });
  const { fleet, shown, restart } = world;
  for (const commit of MANY) await fleet.hub.commit(commit);
  const last = MANY.at(-1) ?? FIRST;
  const expected = ['finance Active', 'hr Pending', 'policy-69 Pending'];
  expect(await shown.phases('eu')).toEqual(expected);
  const restarted = await restart(last);
  expect(await restarted.phases('eu')).toEqual(expected);
  expect((await restarted.report('finance', 'eu')).revision).toBe(R1);
  expect(await restarted.issues()).toContain('ClusterBehind - eu');
});

// 14
it('shows what a cluster has whose commit is no longer in the repository', async () => {
  await using world = await startStored({ folder: join(folder, 'rewritten') });
  const other = commitOf(R3, policyFile('audit'));
  const shown = await world.restart(other);
  expect(await shown.phases('eu')).toEqual(['audit Pending', 'finance Active', 'hr Pending']);
  expect(await shown.report('finance', 'eu')).toMatchObject({ revision: R1, effectiveRegions: ['eu-west-1'] });
});

// 15
it('shows only differing policies as Pending, with one event, where an agent compiled another list of a commit', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const second = commitOf(R2, policyFile('finance', { allowedRegions: ['eu-central-1'] }), policyFile('hr'));
  await fleet.hub.commit(second);
  const { list = [] } = acceptedIn(second, 'eu');
  const other = list.map((policy) => (policy.name === 'hr' ? { ...policy, digest: sha256(policy.digest) } : policy));
  await fleet.see(eu, { revision: R2, list: other });
  await fleet.pass(1_500);
  expect(await shown.phases('eu')).toEqual(['finance Active', 'hr Pending']);
  expect((await shown.report('finance', 'eu')).effectiveRegions).toEqual(['eu-central-1']);
  const events = async () => (await fleet.hub.ledger.events({ limit: 10 })).map(({ reason }) => reason);
  expect(await events()).toEqual(['DigestMismatch']);
  // The agent is upgraded.
  await fleet.see(eu, { list });
  await fleet.pass(1_500);
  expect([await shown.phases('eu'), await events()]).toEqual([['finance Active', 'hr Active'], ['DigestMismatch']]);
});

// 17
it('shows what a cluster has at a hub that has not read its commit yet, without issues of its policies', async () => {
  const clock = new FakeClock();
  const url = await postgres.createDatabase();
  const other = new ReportedHub(clock, await open({ url }, clock));
  await other.commit(FIRST);
  using world = await startFleet(FIRST, {}, new ReportingFleet(clock, await open({ url }, clock)));
  const { fleet, eu } = world;
  const second = commitOf(R2, policyFile('audit'), policyFile('finance', { allowedRegions: ['eu-central-1'] }), policyFile('hr'));
  await fleet.hub.commit(second);
  await fleet.see(eu, { ...acceptedIn(second, 'eu'), namespaces: ['audit', ...NAMESPACES] });
  const all = ['audit Active', 'finance Active', 'hr Active'];
  const issues = async () => (await other.shown.issues()).filter((issue) => issue.startsWith('Policy') && issue.endsWith('eu'));
  await waitFor(async () => expect((await other.shown.report('finance', 'eu')).effectiveRegions).toEqual(['eu-central-1']));
  expect([await other.shown.phases('eu'), await fleet.shown.phases('eu'), await issues()]).toEqual([all, all, []]);
  await other.commit(second);
  expect([await other.shown.phases('eu'), await issues()]).toEqual([all, []]);
  for (const { ledger } of [other, fleet.hub]) await ledger.close();
});

const stateAt = async (ledger: Ledger, policy: string, at: string) => {
  const { policy: found, accepted, connected } = await ledger.policyStateAt({ cluster: 'eu', policy, at });
  return [found?.value && `${found.value.phase} ${found.value.conforms} ${found.value.revision}`, accepted?.value, connected?.value];
};

// 18
it('answers for a past time the same after a restart, and from a backup', async () => {
  await using world = await startStored({ folder: join(folder, 'past') });
  const { fleet, eu, clock, restart } = world;
  const times: string[] = [];
  const then = async (change: Parameters<typeof fleet.see>[1]) => {
    await fleet.see(eu, change);
    times.push(clock.now().toISOString());
    await fleet.pass(60_000);
  };
  await then({});
  await then({ reports: { finance: { phase: 'Failed' } } });
  await then({ reports: {}, namespaces: NAMESPACES });
  const second = commitOf(R2, policyFile('audit'), policyFile('hr'));
  await fleet.hub.commit(second);
  await then({ ...acceptedIn(second, 'eu'), namespaces: ['audit'] });
  const read = (ledger: Ledger) =>
    Promise.all(times.map((at) => Promise.all(['audit', 'finance', 'hr'].map((policy) => stateAt(ledger, policy, at)))));
  const [active, missing] = [`Active true ${R1}`, `Pending false ${R1}`];
  const known = await read(fleet.hub.ledger);
  expect(known.map((states) => states.map(([state]) => state))).toEqual([
    [null, active, missing],
    [null, `Failed false ${R1}`, missing],
    [null, active, active],
    [`Active true ${R2}`, null, missing],
  ]);
  expect(known.map((states) => states[0]?.[1])).toEqual([R1, R1, R1, R2]);
  await restart(second);
  expect(await read(fleet.hub.ledger)).toEqual(known);

  const path = join(folder, 'backup.gz');
  const reader = await openReader({ folder: join(folder, 'past') });
  await backupLedger(reader, { path, version: 'test' });
  await reader.close();
  const copy = await openDatabase({ folder: join(folder, 'copy') });
  await restoreLedger(copy, await checkBackup(path), { kind: 'operator', id: 'ada', roles: [] });
  await copy.close();
  const restored = await open({ folder: join(folder, 'copy') }, clock);
  expect(await read(restored)).toEqual(known);
  await restored.close();
});

// 19
it('keeps the expectation of a policy at a past time, with any later version of the compiler', async () => {
  await using world = await startStored({ folder: join(folder, 'later') });
  const { fleet, eu, clock, restart } = world;
  const at = clock.now().toISOString();
  const known = await stateAt(fleet.hub.ledger, 'finance', at);
  expect(known).toEqual([`Active true ${R1}`, R1, true]);
  await fleet.pass(60_000);
  const later = commitOf(R1, policyFile('finance', { enforcementAction: 'dryrun', expiryDate: '2025-01-01T00:00:00Z' }), policyFile('hr'));
  expect(digestOfPolicies(later.clusters.get('eu') ?? [])).not.toBe(digestOfPolicies(FIRST.clusters.get('eu') ?? []));
  const shown = await restart(later);
  expect(await stateAt(fleet.hub.ledger, 'finance', at)).toEqual(known);
  expect(await shown.report('finance', 'eu')).toMatchObject({ phase: 'Active', enforcement: { binding: { state: 'Enforced' } } });
  // Its agent is of that version as well by now.
  await fleet.see(eu, acceptedIn(later, 'eu'));
  await fleet.pass(1_500);
  expect([await shown.phase('finance', 'eu'), await stateAt(fleet.hub.ledger, 'finance', at)]).toEqual(['Expired', known]);
});

// 20
it('dates a policy from the first commit that has it unchanged, also in a cluster that joined later', async () => {
  using world = await startFleet();
  const { fleet, eu, shown } = world;
  const second = commitOf(R2, policyFile('finance'), policyFile('hr', { enforcementAction: 'warn' }));
  const third = commitOf(R3, policyFile('audit'), policyFile('finance'), policyFile('hr', { enforcementAction: 'warn' }));
  await fleet.hub.commit(second);
  await fleet.hub.commit(third);
  const namespaces = ['audit', ...NAMESPACES];
  // Agents say something else: one came with the third commit, the other has skipped the second.
  const lives = (acceptedIn(third, 'us').list ?? []).map((policy) => inputOf(policy, { revision: R3 }));
  const us = await fleet.start('us', { ...acceptedIn(third, 'us'), lives, namespaces });
  await fleet.see(eu, { ...acceptedIn(third, 'eu'), namespaces });
  await fleet.see(us, { reports: { finance: { phase: 'Failed' } } });
  for (const cluster of ['eu', 'us']) {
    const since = await Promise.all(['audit', 'finance', 'hr'].map(async (policy) => (await shown.report(policy, cluster)).revision));
    expect(since).toEqual([R3, R1, R2]);
  }
  expect(await shown.phase('finance', 'us')).toBe('Failed');
});
