import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { encodeBitmap, groupDeviations, standingOf } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { baselineIn, clusterReport, desiredOf, policyReport, REVISION, report, reportChange, TIME } from '../serve/testing/fleet.ts';
import { createHubClient } from './client/api-client.ts';
import { fso, startFilledApi } from './testing/run-fso.ts';

describe('fso get', () => {
  it('shows a table, without colours when it is no terminal', async () => {
    await using server = await startFilledApi();
    expect(await fso(server, 'get', 'policies')).toEqual({
      code: 0,
      err: '',
      out: `NAME     TARGET   REGIONS    ACTION  PHASE   CLUSTERS  VIOLATIONS
finance  finance  group:eu   deny    Active  2/2       1
hr       hr       eu-west-1  warn    Active  1/1       0
`,
    });
    const { out } = await fso(server, 'get', 'clusters', '-o', 'wide');
    const [head, eu] = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(head).toEqual(
      'NAME CONNECTION SEEN REVISION VERIFICATION PROVEN IN-SYNC POLICIES VIOLATIONS GATEKEEPER TAMPERED SKEW CERTIFICATE REGIONS NODES KUBERNETES AGENT'.split(
        ' ',
      ),
    );
    expect(eu?.slice(3)).toEqual(
      'a1a1a1a1 unverified a1a1a1a1 yes 2/2 0 Ready - - - eu-west-1,eu-central-1 eu-west-1=2 v1.36.3 0.1.0'.split(' '),
    );
  });

  it("shows the hub's data as JSON and YAML", async () => {
    await using server = await startFilledApi();
    const client = createHubClient({ server: server.url });
    const policies = await client.policies();
    expect(JSON.parse((await fso(server, 'get', 'policies', '-o', 'json')).out)).toEqual(policies);
    expect(parse((await fso(server, 'get', 'policies', '-o', 'yaml')).out)).toEqual(policies);
  });

  it('filters', async () => {
    await using server = await startFilledApi();
    expect((await fso(server, 'get', 'violations', '--cluster', 'us', '-n', 'finance', '-o', 'json')).out).toContain('api-1');
    expect(await fso(server, 'get', 'violations', '--cluster', 'eu')).toEqual({ code: 0, out: '', err: 'Nothing found.\n' });
    expect(JSON.parse((await fso(server, 'get', 'events', '--limit', '1', '-o', 'json')).out)).toHaveLength(1);
    const namesOf = async (...args: string[]): Promise<string[]> => {
      const { out } = await fso(server, 'get', ...args, '-o', 'json');
      return (JSON.parse(out) as { name: string }[]).map(({ name }) => name);
    };
    expect(await namesOf('policies', '--violating', '--region', 'eu-central-1', '--managed-by', 'hub')).toEqual(['finance']);
    expect(await namesOf('policies', '--sort=-name')).toEqual(['hr', 'finance']);
    expect(await namesOf('policies', '--expiring')).toEqual([]);
    expect(await namesOf('clusters', '--violating')).toEqual(['us']);
    expect(await namesOf('violations', '--kind', 'Pod', '--action', 'deny', '--region', 'us-east-1')).toEqual(['api-1']);
    expect(await fso(server, 'get', 'policies', '--sort', 'age')).toMatchObject({ code: 2, err: expect.stringContaining('sort: ') });
    const foreign = await fso(server, 'get', 'clusters', '--managed-by', 'hub');
    expect(foreign).toMatchObject({ code: 2, err: expect.stringContaining('--managed-by: not an option of this list') });
  });
});

describe('owners at risk', () => {
  it('are listed with the line that mends them, filtered and exported, and clusters of which not all is known are named', async () => {
    await using server = await startFilledApi();
    const [reason, fix] = ['nothing in the pod confines it to a region', 'put under spec.template.spec: nodeSelector: {x: y}'];
    const web = { risk: 'Refused', kind: 'Deployment', namespace: 'finance', name: 'web', reason, fix, confirmation: 'Confirmed' } as const;
    const lastSeen = '2026-01-01T00:00:00.000Z';
    const gone = { ...web, kind: 'Workflow', name: 'etl-*', lastSeen };
    const risks = { refused: 2, pending: 0, unconfirmed: 0, mended: 0, named: [] };
    const cluster = {
      ...clusterReport(),
      riskSamples: [
        { ...web, policy: 'finance' },
        { ...gone, policy: 'finance' },
      ],
    };
    const deviations = groupDeviations([['finance', standingOf(policyReport('finance', { conditions: [], risks }))]]);
    await reportChange(server.ledger, 'eu', { full: true, baseline: baselineIn(desiredOf(), 'eu'), deviations, cluster });
    const { out, err } = await fso(server, 'get', 'risks');
    expect(out.split('\n')[1]?.split(/ {2,}/)).toEqual(['Refused', 'eu', 'finance', 'Deployment', 'web', 'finance', 'yes', fix]);
    expect(out).toContain(`etl-* (last seen ${lastSeen})`);
    expect(err).toBe('Not all is known of: eu, us.\nCapacity and volumes are not looked at.\n');
    expect((await fso(server, 'get', 'risks', '--risk', 'Pending', '-o', 'json')).out).toBe('[]\n');
    expect((await fso(server, 'report', 'risks')).out).toContain('Refused,eu,finance,finance,Deployment,web,');
    expect(JSON.parse((await fso(server, 'report', 'risks', '-o', 'json')).out)).toMatchObject({
      risks: [{ name: 'web', reason }, { lastSeen }],
    });
  });
});

describe('owners whose pods were refused', () => {
  it('are listed with the line that mends them and exported, with what has no owner, and with clusters of which not all is known', async () => {
    await using server = await startFilledApi();
    const [reason, fix] = ['nothing in the pod confines it to a region', 'put under spec.template.spec: nodeSelector: {x: y}'];
    const web = {
      kind: 'Deployment',
      namespace: 'finance',
      name: 'web',
      count: 30,
      since: TIME,
      last: TIME,
      reason,
      fix,
      policies: ['finance'],
    };
    const denials = { minutes: 60, pods: 100, recent: 10, bindings: 0, owners: 1, named: 30, denials: [web] };
    const cluster = { ...clusterReport(), denials };
    await reportChange(server.ledger, 'eu', { full: true, baseline: baselineIn(desiredOf(), 'eu'), cluster });
    const { out, err } = await fso(server, 'get', 'denials');
    const [cells] = out.split('\n').slice(1);
    expect(cells?.split(/ {2,}/).slice(0, 6)).toEqual(['eu', 'finance', 'Deployment', 'web', 'finance', '30']);
    expect(out).toContain(fix);
    expect(err).toBe('Cluster eu refused 100 pods within the hour, 70 of them without an owner.\nNot all is known of: eu, us.\n');
    expect((await fso(server, 'get', 'denials', '--kind', 'Job', '-o', 'json')).out).toBe('[]\n');
    expect((await fso(server, 'report', 'denials')).out).toContain('eu,finance,finance,Deployment,web,30,');
    expect(JSON.parse((await fso(server, 'report', 'denials', '-o', 'json')).out)).toMatchObject({ denials: [{ name: 'web', reason }] });
  });
});

it('countries of processing are exported, and a cluster without an answer is unknown', async () => {
  await using server = await startFilledApi();
  expect((await fso(server, 'report', 'processing')).out).toContain('eu,,unknown,,,,,Nothing is known of this cluster now.');
  expect(JSON.parse((await fso(server, 'report', 'processing', '-o', 'json')).out)).toMatchObject({
    processing: [],
    unknownClusters: ['eu', 'us'],
  });
});

describe('a cluster of which the hub does not keep all policies', () => {
  it('is shown as such, in the list of clusters and of its policies, and in the status', async () => {
    await using server = await startFilledApi();
    const locals = Array.from({ length: 2_003 }, (_, at) => policyReport(`p${at}`, { managedBy: 'local' }));
    await server.ledger.applyReport('eu', report({ policies: locals }));
    const text = '3 more policies are not kept: the cluster has more than the hub keeps of one.';
    expect((await fso(server, 'get', 'cluster', 'eu')).out).toContain('(3 more not kept)');
    expect((await fso(server, 'describe', 'cluster', 'eu')).out).toContain(text);
    expect((await fso(server, 'get', 'policies', '--cluster', 'eu', '-q', 'p1')).err).toBe(`${text}\n`);
    expect((await fso(server, 'status')).out).toContain('policies of 1 cluster;');
  });
});

describe('a policy of more clusters than one answer has', () => {
  it('is shown with all of them', async () => {
    await using server = await startFilledApi();
    const policies = [policyReport('local', { namespace: 'team', managedBy: 'local' })];
    for (let n = 0; n < 1001; n += 1) {
      await server.ledger.setConnected(`c${n}`, true);
      await server.ledger.applyReport(`c${n}`, report({ policies }));
    }
    const { out, err } = await fso(server, 'get', 'policies', 'team/local', '-o', 'json');
    expect(err).toBe('');
    expect((JSON.parse(out) as { clusters: unknown[] }).clusters).toHaveLength(1001);
  });
});

describe('a policy that clusters do not name', () => {
  it('conforms, or waits for its namespace', async () => {
    await using server = await startFilledApi();
    const missing = encodeBitmap(1, () => true);
    await reportChange(server.ledger, 'eu', { full: true, baseline: baselineIn(desiredOf(), 'eu') });
    await reportChange(server.ledger, 'us', { full: true, baseline: baselineIn(desiredOf(), 'us', { missing }) });
    const { out } = await fso(server, 'describe', 'policy', 'finance');
    expect(out).toMatch(/\n *eu +Active .* conforms\n/);
    expect(out).toMatch(/\n *us +Pending .* namespace finance does not exist/);
  });
});

it('lists problems by cause, in the fleet and in one cluster', async () => {
  await using server = await startFilledApi();
  await expect.poll(async () => (await fso(server, 'get', 'issues')).err).toBe('');
  const { code, out } = await fso(server, 'get', 'issue');
  expect([code, out.trimEnd().split('\n')]).toEqual([
    0,
    [
      expect.stringMatching(/^SEVERITY +NAME +SINCE +SUMMARY$/),
      expect.stringMatching(/^critical +Violations +\S+ +Violations of policies that deny \(1\): policy finance in cluster us$/),
    ],
  ]);
  expect((await fso(server, 'get', 'issues', '-o', 'wide')).out).toMatch(/1 workload .*api-1.* Move or remove the workloads/);
  expect(JSON.parse((await fso(server, 'get', 'issues', '--cluster', 'eu', '-o', 'json')).out)).toEqual([]);
  expect(await fso(server, 'get', 'issues', 'eu')).toMatchObject({ code: 2, err: expect.stringContaining('takes no name') });
});

describe('the kinds', () => {
  it.each([
    ['get policies', ['policy', 'pol', 'sp', 'SovereignPolicy', 'sovereignpolicies']],
    ['get clusters', ['cluster', 'ManagedCluster']],
    ['get violations', ['violation']],
    ['get events', ['event', 'ev']],
    ['get commits', ['commit']],
  ])('%s: works by its other names', async (command, names) => {
    await using server = await startFilledApi();
    const [verb = '', plural = ''] = command.split(' ');
    const all = await fso(server, verb, plural, '-o', 'json');
    expect(all.code).toBe(0);
    for (const name of names) expect([name, await fso(server, verb, name, '-o', 'json')]).toEqual([name, all]);
  });

  it('are listed one by one, and described, by any of their names', async () => {
    await using server = await startFilledApi();
    const { code, out } = await fso(server, 'get', 'policy', 'finance');
    expect([code, out.trimEnd().split('\n')]).toEqual([0, [expect.stringMatching(/^NAME/), expect.stringMatching(/finance/)]]);
    expect(await fso(server, 'get', 'sp', `${SYSTEM_NAMESPACE}/finance`)).toEqual({ code, out, err: '' });
    expect((await fso(server, 'get', 'cluster', 'eu')).out.trimEnd().split('\n')).toHaveLength(2);
    expect(JSON.parse((await fso(server, 'get', 'cluster', 'eu', '-o', 'json')).out)).toMatchObject({ name: 'eu' });
    await reportChange(server.ledger, 'us', { policies: [policyReport('finance', { namespace: 'team-a', managedBy: 'local' })] });
    expect(await fso(server, 'get', 'policy', 'finance')).toEqual({ code, out, err: '' });
    expect((await fso(server, 'get', 'policy', 'team-a/finance')).out).toContain('\nteam-a/finance  ');
    expect((await fso(server, 'describe', 'policy', 'team-a/finance')).out).toContain('Name:         team-a/finance\n');
    expect(await fso(server, 'get', 'policy', 'team-a/finance/x')).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not a name'),
    });
    expect(await fso(server, 'get', 'policy', 'nope')).toMatchObject({ code: 1, err: expect.stringContaining('There is no policy nope.') });
    expect(await fso(server, 'get', 'policy', 'hr', '--violating')).toMatchObject({ code: 2 });
    expect((await fso(server, 'describe', 'sp', 'finance')).out).toContain('Source:       policies/finance.yaml:1\n');
    expect((await fso(server, 'describe', 'clusters', 'eu')).out).toContain('labels:        env=prod\n');
    expect((await fso(server, 'describe', 'commits', REVISION.slice(0, 7))).out).toContain(REVISION);
  });

  it('are a usage error with a list where they do not exist', async () => {
    await using server = await startFilledApi();
    const { code, err } = await fso(server, 'get', 'pods');
    expect([code, err]).toEqual([2, expect.stringContaining('policies (policy, pol, sp, sovereignpolicy, sovereignpolicies)')]);
    expect(await fso(server, 'describe', 'events', 'x')).toMatchObject({ code: 2 });
  });
});
