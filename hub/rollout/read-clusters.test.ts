import { CONDITIONS, type HeldRevision, type PolicyReport } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { clusterReport, desiredOf, FILES, policyReport, REVISION, report } from '../serve/testing/fleet.ts';
import { ClusterReader, type FleetOfRun, hadBy } from './read-clusters.ts';

const known = {
  type: CONDITIONS.risksKnown,
  status: 'True',
  reason: 'Judged',
  message: '',
  lastTransitionTime: '2026-01-01T00:00:00Z',
} as const;

/** Reads the cluster eu after a report. */
const readEu = async (change: {
  policy?: Partial<PolicyReport>;
  conditions?: readonly (typeof known)[];
  provenRevision?: string | null;
  held?: HeldRevision;
}) => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const desired = desiredOf();
  await ledger.setDesired(desired);
  await ledger.setConnected('eu', true);
  await ledger.setAck('eu', { revision: REVISION, digest: 'd' });
  const cluster = { ...clusterReport(REVISION, change.provenRevision), conditions: [...(change.conditions ?? [known])], held: change.held };
  await ledger.applyReport('eu', report({ cluster, policies: [policyReport('finance', change.policy)] }));
  const records = await ledger.clusters();
  return {
    ledger,
    eu: new ClusterReader()
      .read({
        newest: desired.set,
        base: undefined,
        records,
        watchingSince: 0,
        digestOf: () => undefined,
        targetOf: () => null,
      })
      .get('eu'),
    desired,
  };
};

const risks = (untried: number) => ({ refused: 3, pending: 1, unconfirmed: 0, untried, mended: 0, named: [] });

it('reads what a cluster enforces, has proven and reports', async () => {
  const { eu } = await readEu({ policy: { violations: 2, risks: risks(0) } });
  expect(eu).toEqual({
    name: 'eu',
    labels: { env: 'prod' },
    isRegistered: true,
    accepted: REVISION,
    had: [REVISION],
    proven: REVISION,
    refused: null,
    lacking: null,
    enforced: 'd',
    held: null,
    awaySince: null,
    wasSeenLeaving: false,
    facts: { violations: 2, refused: 3, pending: 1 },
  });
});

it.each([
  ['the agent does not judge', { conditions: [] }],
  ['no dry run was made yet', { policy: { risks: risks(1) } }],
])('takes risks for unknown where %s', async (_title, change) => {
  expect((await readEu(change)).eu?.facts).toEqual({ violations: 0, refused: null, pending: null });
});

it('takes a commit that waits for an approval for held, also where it was refused before', async () => {
  const [before, next] = ['1', '2'].map((digit) => digit.repeat(40)) as [string, string];
  const held = { revision: next, tag: 'fso/approve', missing: 1, approvers: ['bob'], problems: [] };
  const { ledger, desired } = await readEu({ held });
  const read = async () => {
    const records = await ledger.clusters();
    const input = { newest: desired.set, base: undefined, records, watchingSince: 0, digestOf: () => undefined, targetOf: () => null };
    const { refused, lacking } = new ClusterReader().read(input).get('eu') ?? {};
    return { refused, lacking };
  };
  await ledger.setNack('eu', { revision: next, reasons: [{ code: 'object-missing', message: 'missing' }] });
  expect(await read()).toEqual({ refused: null, lacking: null });
  await ledger.setNack('eu', { revision: before, reasons: [{ message: 'bad' }] });
  expect(await read()).toEqual({ refused: before, lacking: null });
});

it('takes a commit of which objects are missing for one that the agent lacks, and has not refused', async () => {
  const { ledger, desired } = await readEu({});
  const next = '2'.repeat(40);
  const missing = { code: 'object-missing', message: 'missing' };
  const read = async (...reasons: { code?: string; message: string }[]) => {
    await ledger.setNack('eu', { revision: next, reasons });
    const records = await ledger.clusters();
    const input = { newest: desired.set, base: undefined, records, watchingSince: 0, digestOf: () => undefined, targetOf: () => null };
    return new ClusterReader().read(input).get('eu');
  };
  expect(await read(missing, missing)).toMatchObject({ refused: null, lacking: next });
  expect(await read(missing, { code: 'object-altered', message: 'altered' })).toMatchObject({ refused: next, lacking: null });
});

it('knows nothing of now of a cluster that is away, and names since when', async () => {
  const { ledger, desired } = await readEu({});
  await ledger.setConnected('eu', false);
  const clusters = new ClusterReader().read({
    newest: desired.set,
    base: undefined,
    records: await ledger.clusters(),
    watchingSince: 0,
    digestOf: () => undefined,
    targetOf: () => null,
  });
  expect(clusters.get('eu')).toMatchObject({
    accepted: REVISION,
    proven: null,
    facts: null,
    awaySince: Date.parse('2026-01-01T00:00:00Z'),
  });
  expect(clusters.get('us')).toMatchObject({ accepted: null, awaySince: 0 });
});

it('takes labels and clusters from the base, and marks those that leave', async () => {
  const { ledger, desired } = await readEu({});
  const newest = { ...desired.set, clusters: [] };
  const asOf = { watchingSince: 0, digestOf: () => 'other', targetOf: () => null };
  const clusters = new ClusterReader().read({ newest, base: desired.set, records: await ledger.clusters(), ...asOf });
  expect(clusters.get('eu')).toMatchObject({ labels: { env: 'prod' }, isRegistered: false, enforced: 'other' });
});

it('reads what a cluster was offered or is to have, unless it refused that', async () => {
  const ledger = createMemoryLedger({ clock: new FakeClock() });
  await ledger.setAck('eu', { revision: 'r1', digest: 'd' });
  await ledger.setOffered('eu', 'r2');
  const had = async (target: string | null) => (await ledger.clusters()).map((record) => hadBy(record, target));
  expect(await had('r3')).toEqual([['r1', 'r2', 'r3']]);
  expect(await had('r1')).toEqual([['r1', 'r2']]);
  await ledger.setNack('eu', { revision: 'r2', reasons: [{ code: 'object-missing', message: 'missing' }] });
  expect(await had('r2')).toEqual([['r1', 'r2']]);
  await ledger.setNack('eu', { revision: 'r2', reasons: [{ message: 'bad' }] });
  expect(await had('r2')).toEqual([['r1']]);
});

describe('ClusterReader', () => {
  const COMMITS = ['1', '2', '3'].map((digit) => digit.repeat(40));
  const { set } = desiredOf();
  const relabelled = desiredOf(
    REVISION,
    FILES.map((file) => ({ ...file, text: file.text.replace('env: prod', 'env: test') })),
  ).set;
  const SETS = [set, relabelled, { ...set, clusters: set.clusters.slice(0, 1) }];

  /** A ledger, and what else clusters are read from. */
  const open = async () => {
    const clock = new FakeClock();
    const ledger = createMemoryLedger({ clock });
    await ledger.setDesired(desiredOf());
    return { clock, ledger, newest: 0, base: 0, watchingSince: 0, target: '1', digest: 'a', seq: 0 };
  };
  type World = Awaited<ReturnType<typeof open>>;

  const fleetOf = async ({ ledger, newest, base, watchingSince, target, digest }: World): Promise<FleetOfRun> => ({
    newest: SETS[newest % SETS.length] ?? set,
    base: [undefined, ...SETS][base % (SETS.length + 1)],
    records: await ledger.clusters(),
    watchingSince,
    digestOf: (_cluster, revision) => (revision === COMMITS[2] ? undefined : digest),
    targetOf: (cluster) => (cluster === 'eu' ? target : null),
  });

  const stream = { id: 'stream', isOpen: () => true };
  const HAPPENINGS: Readonly<Record<string, (world: World, cluster: string, commit: string) => unknown>> = {
    connect: ({ ledger }, cluster) => ledger.setConnected(cluster, true, stream),
    leave: ({ ledger }, cluster) => ledger.setConnected(cluster, false),
    see: ({ ledger }, cluster) => ledger.noteSeen(cluster, stream),
    suspend: ({ ledger }, cluster) => ledger.suspendObservation([cluster]),
    resume: ({ ledger }, cluster) => ledger.resumeObservation([cluster]),
    offer: ({ ledger }, cluster, commit) => ledger.setOffered(cluster, commit),
    accept: ({ ledger }, cluster, commit) => ledger.setAck(cluster, { revision: commit, digest: 'd' }),
    refuse: ({ ledger }, cluster, commit) => ledger.setNack(cluster, { revision: commit, reasons: [{ message: 'bad' }] }),
    report: (world, cluster, commit) => {
      world.seq += 1;
      return world.ledger.applyReport(cluster, report({ seq: world.seq, cluster: clusterReport(commit), policies: [], full: true }));
    },
    wait: ({ clock }) => clock.advance(60_000),
    watch: (world) => Object.assign(world, { watchingSince: world.clock.now().getTime() }),
    target: (world, _cluster, commit) => Object.assign(world, { target: commit }),
    compile: (world, _cluster, commit) => Object.assign(world, { digest: commit }),
    commit: (world) => Object.assign(world, { newest: world.newest + 1 }),
    finish: (world) => Object.assign(world, { base: world.base + 1 }),
  };
  const step = fc.tuple(fc.constantFrom(...Object.keys(HAPPENINGS)), fc.constantFrom('eu', 'us'), fc.constantFrom(...COMMITS));

  it('reads each change as a reader does that has read nothing before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = await open();
        const reader = new ClusterReader();
        for (const [happening, cluster, commit] of steps) {
          await HAPPENINGS[happening]?.(world, cluster, commit);
          const fleet = await fleetOf(world);
          expect([...reader.read(fleet)]).toEqual([...new ClusterReader().read(fleet)]);
        }
      }),
    );
  });

  it('gives the same object for a cluster of which nothing has changed', async () => {
    const world = await open();
    const reader = new ClusterReader();
    const before = reader.read(await fleetOf(world));
    await world.ledger.setOffered('eu', '2');
    const after = reader.read(await fleetOf(world));
    expect([after.get('us') === before.get('us'), after.get('eu') === before.get('eu')]).toEqual([true, false]);
  });
});
