import { MAX_NAMED_RISKS, type PolicyReport } from '@fso/shared/api';
import { createLogger } from '@fso/shared/runtime';
import { Deviation, hasBit, type NamedPolicy, standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownPolicyOf } from '../enforce/testing/policies.ts';
import type { AcceptedPolicies } from '../observe/index.ts';
import { PolicyStatements, type Statement } from './policy-statements.ts';
import { ReportCheck } from './report-check.ts';
import { acceptedOf, compiledOf, inputOf, PROFILE, readByHub, seenCluster, withReports } from './testing/seen-cluster.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const NOW = new Date('2026-01-03T10:30:00.000Z');
const statements = (): PolicyStatements => new PolicyStatements(new ReportCheck(logger));
const FINANCE = compiledOf('finance');
const PAYMENTS = compiledOf('payments', { enforcementAction: 'warn' });
const LIST = [FINANCE, PAYMENTS];
const NAMESPACES = ['finance', 'payments'];
const seen = (change: Partial<Parameters<typeof seenCluster>[0]> = {}) =>
  seenCluster({ policies: LIST.map((policy) => inputOf(policy)), namespaces: NAMESPACES, asOf: NOW, ...change });
const pending = (reason: string) => expect.objectContaining({ phase: 'Pending', reason });
const names = ({ policies }: { readonly policies: ReadonlyMap<string, NamedPolicy> }): readonly string[] => [...policies.keys()];

describe('the statements of an agent about its policies', () => {
  it('name no conforming policy, and identify list and cluster of all', () => {
    const accepted = acceptedOf(LIST);
    const { ground, policies } = statements().of(accepted, seen());
    expect(names({ policies })).toEqual([]);
    expect(ground).toEqual({ baseline: { list: accepted.digest, profile: PROFILE, missing: '', namespaces: [] }, expired: 0 });
  });

  it('are the same object where nothing changed, also after a later round', () => {
    const statement = statements();
    const [accepted, snapshot] = [acceptedOf(LIST), seen({ namespaces: ['finance'] })];
    const said = statement.of(accepted, snapshot);
    expect(statement.of({ ...accepted }, { ...snapshot, asOf: new Date(NOW.getTime() + 60_000) })).toBe(said);
    expect(statement.of({ ...accepted, version: 1 }, snapshot)).toEqual(said);
    const again = statement.of(accepted, seen({ namespaces: ['finance'], asOf: new Date(NOW.getTime() + 60_000) }));
    expect(again.ground).toBe(said.ground);
    expect(again.policies).toBe(said.policies);
  });

  it('follow the list: a policy that is gone from the cluster is Pending', () => {
    const generationOf = (key: string): number | undefined => (key === 'finance' ? undefined : 1);
    const gone = withReports(seen(), { finance: undefined });
    const statement = statements();
    const { policies } = statement.of(acceptedOf(LIST, { generationOf }), gone);
    expect([...policies]).toEqual([['finance', pending('Absent')]]);
    const deviation = Deviation.parse(policies.get('finance'));
    expect(Object.values(deviation.locks)).toEqual(['Pending', 'Pending', 'Pending']);
    // A hub makes the same digest of it.
    expect(JSON.stringify(deviation)).toBe(JSON.stringify(policies.get('finance')));
    const later = { ...gone, policies: new Map(gone.policies), asOf: new Date(NOW.getTime() + 60_000) };
    expect(statement.of(acceptedOf(LIST, { generationOf }), later).policies.get('finance')).toBe(policies.get('finance'));
  });

  it.each<[string, string, Partial<AcceptedPolicies>]>([
    ['reads otherwise in the cluster', 'Differs', { generationOf: (key) => (key === 'finance' ? undefined : 1) }],
    ['was judged in an older generation', 'NotJudged', { generationOf: (key) => (key === 'finance' ? 2 : 1) }],
  ])('show a policy as at best Pending that %s', (_what, reason, change) => {
    const { policies } = statements().of(acceptedOf(LIST, change), seen());
    expect([...policies]).toEqual([['finance', pending(reason)]]);
    const deviation = Deviation.parse(policies.get('finance'));
    expect(Object.values(deviation.locks)).not.toContain('Enforced');
    expect(JSON.stringify(deviation)).toBe(JSON.stringify(policies.get('finance')));
  });

  it('distinguish a missing namespace from one that was not judged yet', () => {
    const { ground, policies } = statements().of(acceptedOf(LIST, { generationOf: () => 2 }), seen({ namespaces: [] }));
    expect(ground?.baseline.missing).toBe('');
    for (const deviation of policies.values()) expect(deviation).toMatchObject({ phase: 'Pending', reason: 'NotJudged', conditions: [] });
  });

  it('name violations of policies that deny before those of others, one of each policy in turns', () => {
    const tests = Array.from({ length: 7 }, (_, n) => compiledOf(`audit-${n}`, { enforcementAction: 'dryrun' }));
    const list = [...tests, compiledOf('deny-a'), compiledOf('deny-b')];
    const violated = (namespace: string, count: number) => ({
      violations: count,
      violationSamples: Array.from({ length: count }, (_, n) => ({
        kind: 'Pod',
        namespace,
        name: `p-${n}`,
        reason: 'us',
        since: NOW.toISOString(),
      })),
    });
    const reports = Object.fromEntries(list.map(({ name }) => [name, violated(name, name === 'deny-b' ? 2 : 4)]));
    const policies = list.map((policy) => inputOf(policy));
    const cluster = withReports(seen({ policies, namespaces: list.map(({ name }) => name) }), reports);
    const samples = statements()
      .of(acceptedOf(list), cluster)
      .samples.map(({ policy, name }) => `${policy} ${name}`);
    const ofDeny = ['deny-a p-0', 'deny-b p-0', 'deny-a p-1', 'deny-b p-1', 'deny-a p-2', 'deny-a p-3'];
    const turn = (n: number) => tests.map(({ name }) => `${name} p-${n}`);
    expect(samples).toEqual([...ofDeny, ...turn(0), ...turn(1)]);
  });

  it('name as many owners at risk as a report has, one of each policy in turns', () => {
    const list = Array.from({ length: 9 }, (_, n) => compiledOf(`policy-${n}`));
    const of = { risk: 'Refused', kind: 'Deployment', reason: 'us', fix: 'move', confirmation: 'Confirmed' } as const;
    const named = ['d-0', 'd-1', 'd-2'].map((name) => ({ ...of, namespace: 'a', name }));
    const reports = Object.fromEntries(
      list.map(({ name }) => [name, { risks: { refused: 3, pending: 0, unconfirmed: 0, mended: 0, named } }]),
    );
    const cluster = withReports(seen({ policies: list.map((policy) => inputOf(policy)) }), reports);
    const { risks } = statements().of(acceptedOf(list), cluster);
    expect(risks.length).toBe(MAX_NAMED_RISKS);
    expect(risks.filter(({ name }) => name === 'd-1').length).toBe(list.length);
  });

  it('keep a failed policy Failed, with any other state', () => {
    const failed = withReports(seen(), { finance: { phase: 'Failed', message: 'refused' } });
    expect(
      statements()
        .of(acceptedOf(LIST, { generationOf: () => undefined }), failed)
        .policies.get('finance'),
    ).toMatchObject({ phase: 'Failed' });
  });

  it('number the bits by their own list: another policy before it moves them', () => {
    const statement = statements();
    const bitsOf = (list: readonly ReturnType<typeof compiledOf>[]): readonly boolean[] => {
      const snapshot = seen({ policies: list.map((policy) => inputOf(policy)), namespaces: ['payments', 'audit'] });
      const { ground, policies } = statement.of(acceptedOf(list), snapshot);
      expect(policies.size).toBe(0);
      expect(ground?.baseline.list).toBe(acceptedOf(list).digest);
      return list.map((_, bit) => hasBit(ground?.baseline.missing ?? '', bit));
    };
    expect(bitsOf(LIST)).toEqual([true, false]);
    expect(bitsOf([compiledOf('audit'), ...LIST])).toEqual([false, true, false]);
  });

  it('list the namespaces of globs once, and for each policy only the differences', () => {
    const globs = ['team-a-*', 'team-*', 'none-*'].map((targetNamespace) =>
      compiledOf(targetNamespace.replace('*', 'x'), {
        targetNamespace,
        excludedNamespaces: targetNamespace === 'team-*' ? ['team-b'] : [],
      }),
    );
    const namespaces = ['team-a-1', 'team-a-2', 'team-b', 'team-c', 'other'];
    const snapshot = seen({ policies: globs.map((policy) => inputOf(policy)), namespaces });
    const { ground, policies } = statements().of(acceptedOf(globs), snapshot);
    expect(names({ policies })).toEqual([]);
    expect(ground?.baseline.namespaces).toEqual(['team-a-1', 'team-a-2', 'team-c']);
  });

  it('report local policies in full and by name, and none of them hides a policy of the list', () => {
    const local = ownPolicyOf('rule', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
    const impostor = inputOf(FINANCE, { managedBy: 'local' });
    const snapshot = seen({ policies: [impostor, inputOf(PAYMENTS), local] });
    const { policies } = statements().of(acceptedOf(LIST, { generationOf: (key) => (key === 'finance' ? undefined : 1) }), snapshot);
    expect(policies.get('finance')).toEqual(pending('Differs'));
    expect(names({ policies })).toEqual(['finance', 'finance/rule']);
    expect(policies.get('finance/rule')).toMatchObject({ managedBy: 'local', phase: 'Active', lastUpdated: NOW.toISOString() });
  });

  it('name a policy of the hub that the list no longer has', () => {
    const { policies } = statements().of(acceptedOf([PAYMENTS]), seen());
    expect([...policies]).toEqual([['finance', expect.objectContaining({ managedBy: 'hub', phase: 'Active' })]]);
  });

  it('expire policies by the time of the round', () => {
    const expiring = compiledOf('finance', { expiryDate: '2026-01-03T11:00:00.000Z' });
    const list = acceptedOf([expiring]);
    const at = (time: string) => seen({ policies: [inputOf(expiring)], asOf: new Date(time) });
    const statement = statements();
    const before = statement.of(list, at('2026-01-03T10:59:59.999Z'));
    // Within two weeks of it, which the hub knows.
    expect(before).toMatchObject({ ground: { expired: 0 }, policies: new Map() });
    expect(statement.of(list, at('2026-01-03T11:00:00.000Z'))).toMatchObject({ ground: { expired: 1 }, policies: new Map() });
    // A round that could not plan it still shows it in force: then it is named.
    const late = { ...at('2026-01-03T10:00:00.000Z'), asOf: new Date('2026-01-03T12:00:00.000Z') };
    expect(statement.of(list, late).policies.get('finance')).toMatchObject({ phase: 'Active' });
  });

  it.each([
    ['no floor', { ...PROFILE, floor: false }],
    ['no Gatekeeper', { ...PROFILE, gatekeeper: false }],
    ['no injection', { ...PROFILE, injection: false }],
  ])('name no policy for what the whole cluster lacks: %s', (_what, profile) => {
    const list = [FINANCE, compiledOf('payments', { placementInjection: true }), compiledOf('trading')];
    const snapshot = seen({ policies: list.map((policy) => inputOf(policy)), profile });
    const { ground, policies } = statements().of(acceptedOf(list), snapshot);
    expect(names({ policies })).toEqual([]);
    expect(ground?.baseline.profile).toEqual(profile);
  });

  it('name all policies without a list or before the first round', () => {
    const { profile: _profile, asOf: _asOf, ...unseen } = seen();
    for (const [accepted, snapshot] of [
      [undefined, seen()],
      [acceptedOf(LIST), unseen],
    ] as const) {
      const { ground, policies } = statements().of(accepted, snapshot);
      expect(ground).toBeNull();
      expect(names({ policies })).toEqual(['finance', 'payments']);
    }
  });
});

const TARGETS = ['finance', 'payments', 'team-a', 'team-*', '*', 'kube-system', 'gatekeeper-system'];
const custom = [{ action: 'warn' as const, enforcementPoints: [{ name: 'vap.k8s.io' as const }] }];
const spec = fc
  .record({
    targetNamespace: fc.constantFrom(...TARGETS),
    allowedRegions: fc.subarray(['us-east-1', 'eu-west-1', 'eu-central-1'], { minLength: 1 }),
    enforcementAction: fc.constantFrom('deny' as const, 'warn' as const, 'dryrun' as const, 'custom' as const),
    excludedNamespaces: fc.subarray(['team-a', 'finance', 'pay*']),
    placementInjection: fc.boolean(),
    expiryDate: fc.option(fc.constantFrom('2026-01-03T10:00:00.000Z', '2026-01-03T11:00:00.000Z'), { nil: undefined }),
  })
  .map(({ expiryDate, ...rest }) => ({
    ...rest,
    ...(expiryDate === undefined ? {} : { expiryDate }),
    ...(rest.enforcementAction === 'custom' ? { scopedEnforcementActions: custom } : {}),
  }));

type Fate = 'as accepted' | 'absent' | 'other' | 'older' | 'violated' | 'invalid';
const policy = fc.record({
  spec,
  /** Whether the last commit has it. */
  isListed: fc.boolean(),
  fate: fc.constantFrom<Fate>('as accepted', 'as accepted', 'as accepted', 'absent', 'other', 'older', 'violated', 'invalid'),
});
const world = fc.record({
  policies: fc.array(policy, { maxLength: 6 }),
  namespaces: fc.subarray([...TARGETS.filter((target) => !target.includes('*')), 'team-b']),
  unproven: fc.subarray(['finance', 'team-a']),
  profile: fc.record({ floor: fc.boolean(), gatekeeper: fc.boolean(), injection: fc.boolean() }),
  asOf: fc.constantFrom('2026-01-03T10:30:00.000Z', '2026-01-03T11:30:00.000Z').map((time) => new Date(time)),
});
type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

const FATES: Readonly<Record<Fate, { readonly generation: number | undefined; readonly change: Partial<PolicyReport> | undefined }>> = {
  'as accepted': { generation: 1, change: {} },
  absent: { generation: undefined, change: undefined },
  other: { generation: undefined, change: {} },
  older: { generation: 2, change: {} },
  violated: { generation: 1, change: { violations: 3 } },
  invalid: { generation: 1, change: { effectiveRegions: ['x'.repeat(64)] } },
};

/** The list and the snapshot of a world. */
const drawn = ({ policies, namespaces, unproven, profile, asOf }: World) => {
  const compiled = policies.map((each, at) => ({ ...each, policy: compiledOf(`policy-${at}`, each.spec) }));
  const fates = new Map(compiled.map(({ policy: { name }, fate }) => [name, FATES[fate]]));
  const listed = compiled.filter(({ isListed }) => isListed).map((each) => each.policy);
  const accepted = acceptedOf(listed, { generationOf: (key) => fates.get(key)?.generation });
  const cluster = { namespaces, asOf, profile: { ...PROFILE, ...profile }, unproven: new Set(unproven) };
  const snapshot = seenCluster({ policies: compiled.map((each) => inputOf(each.policy)), ...cluster });
  const changes = Object.fromEntries([...fates].map(([name, { change }]) => [name, change]));
  return { accepted, snapshot: withReports(snapshot, changes), fates };
};

describe("the hub's reading of an agent's statements", () => {
  /** Compares what a hub reads of one policy with the policy in the cluster. */
  const compare = (
    key: string,
    said: Statement,
    read: PolicyReport | undefined,
    { accepted, snapshot, fates }: ReturnType<typeof drawn>,
  ) => {
    const report = snapshot.policies.get(key)?.report;
    const entry = report && new ReportCheck(logger).policy(key, report);
    const isListed = accepted.policies.has(key);
    if (entry === undefined || (isListed && fates.get(key)?.generation !== 1)) {
      expect(['Pending', 'Failed']).toContain(read?.phase);
      expect(read?.conditions).not.toEqual([]);
      return;
    }
    if (!isListed) return expect(read).toEqual(entry);
    const { targetNamespace, enforcementAction, effectiveRegions, namespaces } = entry;
    const { phase, violations } = entry;
    expect(read).toMatchObject({ phase, violations, targetNamespace, enforcementAction });
    expect(read && standingOf(read).locks).toEqual(standingOf(entry).locks);
    // Of one that cannot be enforced the list says what it asks for.
    if (phase !== 'Failed') expect(read).toMatchObject({ effectiveRegions, namespaces });
    // Where there is nothing to explain it is as expected: the two sides have the same rules.
    expect(said.policies.has(key)).toBe(read?.conditions.length !== 0);
  };

  it('equals what the agent sees, at best Pending before acceptance, and names only unexpected states', () => {
    fc.assert(
      fc.property(fc.array(world, { minLength: 1, maxLength: 4 }), (worlds) => {
        const statement = statements();
        for (const each of worlds) {
          const now = drawn(each);
          const said = statement.of(now.accepted, now.snapshot);
          expect(said).toEqual(statements().of(now.accepted, now.snapshot));
          const read = readByHub(said, now.accepted, each.asOf);
          const keys = new Set([...now.accepted.policies.keys(), ...now.snapshot.policies.keys()]);
          expect(new Set(read.keys())).toEqual(keys);
          for (const key of keys) compare(key, said, read.get(key), now);
        }
      }),
      { numRuns: 300 },
    );
  });
});
