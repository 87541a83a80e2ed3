import type { SourceView } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { RevisionTargets } from '../delivery/index.ts';
import type { Ledger } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { clusterReport, FILES, policyReport, report } from '../serve/testing/fleet.ts';
import type { SourceRevision } from '../source/index.ts';
import { Pipeline } from './pipeline.ts';
import { WaveController } from './wave-controller.ts';
import { type JudgedTags, RolloutChangeRefused, type RolloutInput } from './waves/index.ts';

const STRATEGY = {
  path: 'rollout.yaml',
  text: `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec: {waves: [{name: canary, clusterSelector: {matchLabels: {env: prod}}, maxNewViolations: 0}]}
`,
};
const narrowed = FILES.map((file) =>
  file.path === 'policies/finance.yaml' ? { ...file, text: file.text.replace("'group:eu'", 'eu-west-1') } : file,
);
const [PLAIN, CAREFUL, NARROW, REVERT] = ['1', '2', '3', '4'].map((digit) => digit.repeat(40)) as [string, string, string, string];
const COMMITS: Readonly<Record<string, readonly { path: string; text: string }[]>> = {
  [PLAIN]: FILES,
  [CAREFUL]: [...FILES, STRATEGY],
  [NARROW]: [...narrowed, STRATEGY],
  [REVERT]: [...FILES, STRATEGY],
};

const setOf = (revision: string) => {
  const decoded = decodeFiles(COMMITS[revision] ?? []);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort();
});

/** Starts steps ② and ③ of a hub on a ledger. */
const start = (ledger: Ledger, clock: FakeClock) => {
  const targets = new RevisionTargets();
  const published: [string, readonly string[]][] = [];
  const delivery = {
    connected: () => ['eu', 'us'],
    publish: (revision: string, clusters: readonly string[]) => void published.push([revision.slice(0, 1), clusters]),
  };
  const logger = pino({ level: 'silent' });
  const state: SourceView = { url: '', ref: 'main', revision: null, rejected: null, error: null, lastFetch: null };
  const tagged = new Map<string, JudgedTags>();
  const judged: Pick<RolloutInput['newest'], 'approval'> = {};
  const fetches = { hints: 0, last: null as string | null };
  const source = {
    read: async (revision: string) => (revision in COMMITS ? setOf(revision) : undefined),
    hint: () => {
      fetches.hints += 1;
    },
    state: () => ({ ...state, lastFetch: fetches.last }),
    approvals: { problemsOf: () => [] },
    // The commits follow each other in the order of their digits.
    objects: { chain: async (from: string, to: string) => (from < to ? [to] : null) },
  };
  const tags = { check: async (_run: unknown, revision: string) => ({ ...judged, immediate: tagged.get(revision) }) };
  const waves = new WaveController({ ledger, targets, delivery, source, tags, clock, logger });
  const pipeline = new Pipeline({ ledger, targets, delivery, waves, clock, logger, metrics: { step: () => undefined } });
  const end = new AbortController();
  ends.push(end);
  const ended = waves.run(end.signal);
  return {
    waves,
    tagged,
    judged,
    fetches,
    published,
    take: async (revision: string) => {
      pipeline.take({ commit: { revision }, set: setOf(revision) } as SourceRevision);
      await clock.advance(2_000);
    },
    /** First digits of the targets of eu and us. */
    targets: () => ['eu', 'us'].map((name) => targets.targetOf(name)?.slice(0, 1)),
    targetDigest: (cluster: string, revision: string) => targets.digestOf(cluster, revision),
    stop: async () => {
      end.abort();
      await ended;
    },
  };
};

/** A cluster accepts a commit, proves it and reports violations. */
const prove = async (ledger: Ledger, cluster: string, revision: string, violations = 0): Promise<void> => {
  await ledger.setConnected(cluster, true);
  await ledger.setAck(cluster, { revision, digest: 'd' });
  const policies = [policyReport('finance', { violations })];
  await ledger.applyReport(cluster, report({ cluster: clusterReport(revision), policies, full: true }));
};

const open = async () => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const hub = start(ledger, clock);
  await hub.take(PLAIN);
  for (const cluster of ['eu', 'us']) await prove(ledger, cluster, PLAIN);
  return { clock, ledger, hub };
};

/** Opens a fleet whose canary, eu, has a commit that breaks something. */
const openHalted = async () => {
  const { clock, ledger, hub } = await open();
  await hub.take(CAREFUL);
  for (const cluster of ['eu', 'us']) await prove(ledger, cluster, CAREFUL);
  await clock.advance(2_000);
  await hub.take(NARROW);
  await prove(ledger, 'eu', NARROW, 3);
  await clock.advance(2_000);
  return { clock, ledger, hub };
};

describe('WaveController', () => {
  it('stores nothing and holds no cluster without a strategy', async () => {
    const { hub, ledger } = await open();
    expect([hub.targets(), hub.published, ledger.records.list('rollout')]).toEqual([['1', '1'], [['1', ['eu', 'us']]], []]);
    expect((await hub.waves.status()).state).toBe('Immediate');
    await expect(hub.waves.pause('ada')).rejects.toThrow(RolloutChangeRefused);
  });

  it('gives the first strategy to all at once, and the next commit to the first wave', async () => {
    const { hub, ledger } = await open();
    await hub.take(CAREFUL);
    expect([hub.targets(), (await hub.waves.status()).state]).toEqual([['2', '2'], 'Finished']);
    await prove(ledger, 'eu', CAREFUL);
    await hub.take(NARROW);
    expect([hub.targets(), hub.published.at(-2), hub.waves.readings()]).toEqual([['3', '2'], ['3', ['eu']], { held: 1, isHalted: false }]);
    const desired = await ledger.desired();
    expect([desired?.revision, desired?.held?.get('us')]).toEqual([NARROW, { revision: CAREFUL, wave: '(others)' }]);
    const regionsIn = (cluster: string) => desired?.clusters.get(cluster)?.find(({ name }) => name === 'finance')?.effectiveRegions;
    expect([regionsIn('eu'), regionsIn('us')]).toEqual([['eu-west-1'], ['eu-central-1', 'eu-west-1']]);
  });

  it('halts with an event where a gate fails, and lets a revert through', async () => {
    const { hub, ledger } = await openHalted();
    const status = await hub.waves.status();
    expect([hub.targets(), status.state, status.halted?.clusters]).toEqual([['3', '2'], 'Halted', ['eu']]);
    const [event] = await ledger.events({ limit: 1 });
    expect([event?.reason, event?.severity, event?.revision]).toEqual(['RolloutHalted', 'alert', NARROW]);
    await hub.take(REVERT);
    expect([hub.targets(), (await hub.waves.status()).state, (await ledger.desired())?.held]).toEqual([['4', '4'], 'Finished', undefined]);
  });

  it('passes a failed gate once a person resumes it', async () => {
    const { hub, clock, ledger } = await openHalted();
    const { halted } = await hub.waves.status();
    const halt = halted?.since;
    await expect(hub.waves.resume({ revision: CAREFUL, halt })).rejects.toThrow('by now');
    expect(await hub.waves.resume({ revision: NARROW, halt })).toEqual(halted);
    await clock.advance(2_000);
    expect(hub.targets()).toEqual(['3', '3']);
    await prove(ledger, 'us', NARROW);
    await clock.advance(2_000);
    expect((await hub.waves.status()).state).toBe('Finished');
    await expect(hub.waves.resume({})).rejects.toThrow('neither paused nor halted');
  });

  it('continues at the same point after a restart, and keeps a pause', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.waves.pause('ada');
    await hub.stop();
    const next = start(ledger, clock);
    await next.take(NARROW);
    const status = await next.waves.status();
    expect([next.targets(), status.state, status.paused?.by, status.halted?.gate]).toEqual([['3', '2'], 'Paused', 'ada', 'NewViolations']);
    expect((await ledger.desired())?.held?.size).toBe(1);
    const halt = status.halted?.since;
    await expect(next.waves.resume({ halt })).rejects.toThrow('paused by ada meanwhile');
    expect(await next.waves.resume({})).toBeNull();
    expect((await next.waves.status()).state).toBe('Halted');
    // A person that saw the pause has not seen the halt, nor has one that saw an earlier halt.
    await expect(next.waves.resume({})).rejects.toThrow('Gate NewViolations of wave canary has failed at');
    await expect(next.waves.resume({ halt: '2026-01-01T00:00:00.001Z' })).rejects.toThrow('3 new violations; the wave may have 0');
    expect((await next.waves.status()).halted).toEqual(status.halted);
  });

  it('gives a tagged commit to all clusters at once, records who signed, and keeps that over a restart', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.take(NARROW);
    const tags = { signer: 'ana (A)', isGiven: true, missing: 0, approvers: ['bob (B)'], problems: [] };
    hub.tagged.set(NARROW, tags);
    await clock.advance(2_000);
    const { state, immediate, halted } = await hub.waves.status();
    expect([hub.targets(), state, halted, immediate?.signer, immediate?.taggedBy]).toEqual([
      ['3', '3'],
      'Finished',
      null,
      'ana (A)',
      ['bob (B)'],
    ]);
    expect((await ledger.desired())?.held).toBeUndefined();
    const reasons = (await ledger.events({ limit: 2 })).map(({ reason }) => reason);
    expect(reasons).toContain('RolloutImmediate');
    const recorded = { actor: { kind: 'git', id: 'ana (A)' }, subject: NARROW, detail: { before: CAREFUL, taggedBy: ['bob (B)'] } };
    expect(await ledger.audit.list({ action: 'rollout.immediate', limit: 9 })).toMatchObject([recorded]);
    await hub.stop();
    const next = start(ledger, clock);
    await next.take(NARROW);
    expect([next.targets(), (await next.waves.status()).immediate]).toEqual([['3', '3'], immediate]);
    for (const cluster of ['eu', 'us']) await prove(ledger, cluster, NARROW);
    await next.take(REVERT);
    expect([next.targets(), (await next.waves.status()).immediate]).toEqual([['4', '3'], null]);
  });

  it('continues after an unseen wave once that is approved, records who did, and keeps that over a restart', async () => {
    const { hub, clock, ledger } = await open();
    await hub.take(CAREFUL);
    for (const cluster of ['eu', 'us']) await prove(ledger, cluster, CAREFUL);
    await ledger.setConnected('eu', false);
    await clock.advance(2_000);
    await hub.take(NARROW);
    await clock.advance(400_000);
    const waiting = { wave: 'canary', unneeded: null, signer: 'ana (A)', isGiven: false, missing: 1, approvers: [], problems: [] };
    const { halted } = await hub.waves.status();
    expect([hub.targets(), halted?.gate]).toEqual([['3', '2'], 'NothingLookedAt']);
    Object.assign(hub.judged, { approval: waiting });
    await expect(hub.waves.resume({ halt: halted?.since })).rejects.toThrow(`fso/approve/${NARROW}/canary`);
    await clock.advance(2_000);
    expect(hub.waves.halted().halted?.next).toContain('`fso rollout approve canary`');
    Object.assign(hub.judged, { approval: { ...waiting, isGiven: true, missing: 0, approvers: ['bob (B)'] } });
    await clock.advance(2_000);
    expect([hub.targets(), hub.waves.halted().halted]).toEqual([['3', '3'], null]);
    const recorded = { actor: { kind: 'git', id: 'bob (B)' }, subject: NARROW, detail: { wave: 'canary', signer: 'ana (A)' } };
    expect(await ledger.audit.list({ action: 'rollout.approve', limit: 9 })).toMatchObject([recorded]);
    expect((await ledger.events({ limit: 3 })).map(({ reason }) => reason)).toContain('RolloutApproved');
    await hub.stop();
    const next = start(ledger, clock);
    await next.take(NARROW);
    expect([next.targets(), next.waves.halted().halted]).toEqual([['3', '3'], null]);
  });

  it('takes no cluster for away by the time that the hub itself was away', async () => {
    const { hub, clock, ledger } = await open();
    await hub.take(CAREFUL);
    for (const cluster of ['eu', 'us']) await prove(ledger, cluster, CAREFUL);
    await clock.advance(2_000);
    await hub.take(NARROW);
    await hub.stop();
    for (const cluster of ['eu', 'us']) await ledger.setConnected(cluster, false);
    await clock.advance(3_600_000);
    const next = start(ledger, clock);
    await next.take(NARROW);
    await clock.advance(200_000);
    expect([next.targets(), (await next.waves.status()).state]).toEqual([['3', '2'], 'Progressing']);
    await prove(ledger, 'eu', NARROW);
    await clock.advance(2_000);
    expect(next.targets()).toEqual(['3', '3']);
  });

  it('plans nothing with an older commit than that of the run, until a fetch shows that the branch goes there', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.stop();
    const stored = ledger.records.get('rollout', 'run');
    const behind = start(ledger, clock);
    await behind.take(CAREFUL);
    await clock.advance(60_000);
    expect([ledger.records.get('rollout', 'run'), behind.targets()]).toEqual([stored, [undefined, undefined]]);
    expect(behind.fetches.hints).toBeGreaterThan(1);
    behind.fetches.last = clock.now().toISOString();
    await clock.advance(60_000);
    expect([behind.targets(), (await behind.waves.status()).state]).toEqual([['2', '2'], 'Finished']);
  });

  it('knows what held clusters have to acknowledge, after a restart as well', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.stop();
    const next = start(ledger, clock);
    await next.take(NARROW);
    expect(next.targetDigest('us', CAREFUL)).toMatch(/./);
    expect(next.targetDigest('us', NARROW)).toMatch(/./);
  });

  it('releases nothing beside a run that it cannot read', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.stop();
    await ledger.records.update('rollout', 'run', () => ({ version: 2 }));
    const older = start(ledger, clock);
    await older.take(REVERT);
    expect([older.targets(), older.published, (await older.waves.status()).state]).toEqual([[undefined, undefined], [], 'Unreadable']);
    await expect(older.waves.resume({})).rejects.toThrow('Another version of the hub');
    expect(ledger.records.get('rollout', 'run')).toEqual({ version: 2 });
  });

  it('shows that the repository is not read yet', async () => {
    const { hub, clock, ledger } = await openHalted();
    await hub.stop();
    expect(await start(ledger, clock).waves.status()).toMatchObject({ state: 'NotRead', revision: NARROW });
  });
});
