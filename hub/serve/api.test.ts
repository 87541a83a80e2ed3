import {
  ClusterPage,
  type ClusterView,
  type PolicyDetail,
  type PolicyReport,
  PolicySummaryPage,
  PolicyView,
  policyKey,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import { groupDeviations, standingOf, unjudged } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { ROUTES } from './openapi.ts';
import { fillLedger, startApiHarness } from './testing/api-harness.ts';
import { baselineIn, clusterReport, desiredOf, FILES, OLD_REVISION, policyReport, REVISION, reportChange, TIME } from './testing/fleet.ts';
import { problem, started } from './testing/requests.ts';

describe('routes', () => {
  const examples: Readonly<Record<string, string>> = {
    '{namespace}/{name}': `${SYSTEM_NAMESPACE}/finance`,
    '/policies/{name}': '/policies/finance',
    '/policy-details/{name}': '/policy-details/finance',
    '/policy-sources/{name}': '/policy-sources/finance',
    '/policy-histories/{name}': '/policy-histories/finance',
    '/clusters/{name}/state': '/clusters/eu/state?policy=finance',
    '/clusters/{name}/history': '/clusters/eu/history?policy=finance',
    '/clusters/{name}': '/clusters/eu',
    '{revision}': REVISION,
    '{sequence}': '1',
    '/violation-groups': '/violation-groups?by=policy',
    '/risk-groups': '/risk-groups?by=policy',
    '/denial-groups': '/denial-groups?by=policy',
  };
  const concrete = (path: string): string => Object.entries(examples).reduce((text, [from, to]) => text.replace(from, to), path);

  it('answer by their schemas', async () => {
    await using server = await started({ apiToken: 's3cret' });
    const headers = { Authorization: 'Bearer s3cret' };
    // A plan is stored where something breaks.
    const files = Object.fromEntries(
      FILES.map(({ path, text }) => [path, text.replace("allowedRegions: ['group:eu']", 'allowedRegions: [eu-west-1]')]),
    );
    const made = await fetch(`${server.url}/api/v1/plans`, { method: 'POST', headers, body: JSON.stringify({ files }) });
    const { id } = (await made.json()) as { id: string };
    const described = ROUTES.filter(({ method, response }) => method === 'get' && response.schema !== undefined);
    expect(described.length).toBeGreaterThan(20);
    for (const { path, response } of described) {
      const answer = await fetch(server.url + concrete(path).replace('{id}', id), { headers });
      expect([path, answer.status]).toEqual([path, 200]);
      const parsed = response.schema?.safeParse(await answer.json());
      expect([path, parsed?.error]).toEqual([path, undefined]);
    }
  });

  it('show what the agent reports of a policy of the hub, and a whole report unchanged', async () => {
    const { lastUpdated: _time, ...short } = policyReport('finance', { message: '' });
    const asked: unknown[] = [];
    const answers: Record<string, PolicyReport | undefined> = {
      eu: policyReport('finance', { message: 'told by the agent', revision: OLD_REVISION }),
    };
    const agents = {
      inspect: async (cluster: string, policy: string) => {
        asked.push([cluster, policy]);
        return answers[cluster];
      },
    };
    await using server = await started({ agents });
    const details = async (query = ''): Promise<PolicyDetail[]> =>
      ((await (await fetch(`${server.url}/api/v1/policy-details/finance${query}`)).json()) as { items: PolicyDetail[] }).items;
    await reportChange(server.ledger, 'eu', { policies: [short] });
    const [eu, us] = await details();
    // Since which commit a policy reads as it does is the hub's to say.
    const said = { message: 'told by the agent', revision: REVISION };
    expect(eu).toMatchObject({ cluster: 'eu', source: 'agent', report: said, changed: TIME });
    expect(us).toMatchObject({ cluster: 'us', source: 'report', report: { violations: 1 } });
    expect(asked).toEqual([['eu', 'finance']]);
    // What stands in the cluster is not what the commit asks for.
    const deviations = groupDeviations([['finance', unjudged(undefined, 'NotJudged')]]);
    const baseline = baselineIn(desiredOf(), 'eu');
    await reportChange(server.ledger, 'eu', { full: true, baseline, deviations });
    const pending = { phase: 'Pending', message: 'written, and not judged yet', enforcement: { admission: { state: 'Pending' } } };
    expect(await details('?cluster=eu')).toMatchObject([{ source: 'agent', report: pending }]);
    // Nor does it count as proven while the hub does not know the list that the cluster has, or
    // what it proves.
    const waits = { deviations: groupDeviations([['finance', standingOf(policyReport('finance', { phase: 'Pending', conditions: [] }))]]) };
    await reportChange(server.ledger, 'eu', { full: true, baseline, ...waits });
    expect(await details('?cluster=eu')).toMatchObject([
      { source: 'agent', report: { phase: 'Pending', conditions: [{ reason: 'Pending' }] } },
    ]);
    const violated = { deviations: groupDeviations([['finance', standingOf(policyReport('finance', { violations: 1, conditions: [] }))]]) };
    await reportChange(server.ledger, 'eu', { full: true, baseline: { ...baseline, list: '1'.repeat(64) }, ...violated });
    expect(await details('?cluster=eu')).toMatchObject([
      { source: 'agent', report: { phase: 'Pending', conditions: [{ reason: 'Unlisted' }] } },
    ]);
    await reportChange(server.ledger, 'eu', { full: true, baseline, policies: [short] });
    asked.length = 1;
    answers['eu'] = undefined;
    expect(await details('?cluster=eu')).toMatchObject([{ source: 'none', report: { message: '' } }]);
    // One that is not connected is not asked.
    await server.ledger.setConnected('eu', false);
    expect(await details('?limit=1')).toMatchObject([{ cluster: 'eu', fresh: false, source: 'none' }]);
    expect(asked).toHaveLength(2);
    expect((await fetch(`${server.url}/api/v1/policy-details/finance?cluster=none`)).status).toBe(404);
    expect((await fetch(`${server.url}/api/v1/policy-details/none`)).status).toBe(404);
    expect((await fetch(`${server.url}/api/v1/policy-details/finance?limit=51`)).status).toBe(400);
  });

  it('request the violations of one policy from the agent where the cluster names fewer, and keep the named ones', async () => {
    const sample = { kind: 'Pod', namespace: 'finance', reason: 'us-east-1', since: TIME };
    const samples = ['a', 'b', 'c'].map((name) => ({ ...sample, name }));
    let told: PolicyReport | undefined = policyReport('finance', { violations: 3, violationSamples: samples });
    const asked: string[] = [];
    const inspect = async (cluster: string, policy: string) => {
      asked.push(`${policy} ${cluster}`);
      return told;
    };
    await using server = await started({ agents: { inspect } });
    const names = async (query: string): Promise<string[]> => {
      const answer = await fetch(`${server.url}/api/v1/violations${query}`);
      return ((await answer.json()) as { items: { name: string }[] }).items.map(({ name }) => name);
    };
    const [first = { ...sample, name: '' }] = samples;
    const cluster = { ...clusterReport(), violationSamples: [{ ...first, policy: 'finance' }] };
    await reportChange(server.ledger, 'eu', { policies: [policyReport('finance', { violations: 3 })], cluster });
    expect([await names('?cluster=eu'), await names('?policy=finance&cluster=us'), asked]).toEqual([['a'], ['api-1'], []]);
    expect([await names('?policy=finance&cluster=eu'), asked]).toEqual([['a', 'b', 'c'], ['finance eu']]);
    expect(await names('?policy=finance&cluster=eu&name=b')).toEqual(['b']);
    told = undefined;
    expect(await names('?policy=finance&cluster=eu')).toEqual(['a']);
    // What it names of its violations is no part of its own report.
    const { report } = (await (await fetch(`${server.url}/api/v1/clusters/eu`)).json()) as ClusterView;
    expect(report).not.toHaveProperty('violationSamples');
  });

  it.each([
    ['/policies?cluster=us', ['finance']],
    ['/policies?phase=Active', ['finance', 'hr']],
    ['/policies?phase=Failed', []],
    ['/policies?namespace=hr', ['hr']],
    ['/policies?q=FIN', ['finance']],
    ['/policy-summaries?region=eu-central-1', ['finance']],
    ['/policy-summaries?action=warn', ['hr']],
    ['/policy-summaries?managedBy=local', []],
    ['/policy-summaries?violating=true', ['finance']],
    ['/policy-summaries?violating=false&expiring=false', ['hr']],
    ['/policy-summaries?sort=-name', ['hr', 'finance']],
    ['/policy-summaries?sort=violations', ['hr', 'finance']],
    ['/violations?kind=Pod&name=api-1&region=us-east-1&action=deny', ['api-1']],
    ['/violations?region=', []],
    ['/violations?q=US', ['api-1']],
    ['/clusters?connection=Connected&inSync=true&sort=-seen', ['us', 'eu']],
    ['/clusters?connection=NeverSeen', []],
    ['/clusters?violating=true', ['us']],
    ['/clusters?tampered=true', []],
    ['/clusters?tampered=false', ['eu', 'us']],
    ['/clusters?refusing=true', []],
    ['/clusters?locksReady=true', ['eu', 'us']],
    ['/clusters?locksReady=false', []],
    ['/clusters?region=us-east-1', ['us']],
    ['/clusters?sort=-violations', ['us', 'eu']],
    ['/clusters/eu/policies?sort=-target', ['hr', 'finance']],
    ['/clusters/us/policies', ['finance']],
    ['/clusters/us/policies?violating=true&phase=Active&q=fin', ['finance']],
    ['/clusters/eu/policies?violating=true', []],
    ['/violations?cluster=us&policy=finance&namespace=finance', ['api-1']],
    ['/violations?cluster=eu', []],
    ['/clusters?q=u', ['eu', 'us']],
  ])('filter: %s', async (path, names) => {
    await using server = await started();
    const { items } = (await (await fetch(`${server.url}/api/v1${path}`)).json()) as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(names);
  });

  it('distinguish a policy of the hub from local ones with any names', async () => {
    await using server = await started();
    const local = [
      ['team-a', 'finance'],
      ['finance', 'history'],
      [SYSTEM_NAMESPACE, 'by-hand'],
    ] as const;
    const policies = local.map(([namespace, name]) => policyReport(name, { namespace, managedBy: 'local' }));
    await reportChange(server.ledger, 'us', { policies });
    const read = async (key: string) => PolicyView.parse(await (await fetch(`${server.url}/api/v1/policies/${key}`)).json());
    expect(await read('finance')).toMatchObject({ managedBy: 'hub', name: 'finance' });
    expect(await read('team-a/finance')).toMatchObject({ managedBy: 'local', namespace: 'team-a', name: 'finance' });
    expect(await read('finance/history')).toMatchObject({ managedBy: 'local', namespace: 'finance', name: 'history' });
    expect(await read('by-hand')).toMatchObject({ managedBy: 'local', namespace: SYSTEM_NAMESPACE });
    const { items } = PolicySummaryPage.parse(await (await fetch(`${server.url}/api/v1/policy-summaries?q=FINANCE`)).json());
    expect(items.map(policyKey)).toEqual(['finance', 'finance/history', 'team-a/finance']);
  });

  it('page through a list with a cursor', async () => {
    await using server = await started();
    const first = ClusterPage.parse(await (await fetch(`${server.url}/api/v1/clusters?limit=1`)).json());
    expect([first.items.map(({ name }) => name), first.total]).toEqual([['eu'], 2]);
    const second = ClusterPage.parse(await (await fetch(`${server.url}/api/v1/clusters?limit=1&cursor=${first.next}`)).json());
    expect([second.items.map(({ name }) => name), second.next]).toEqual([['us'], null]);
  });

  it('page through the clusters of a policy, with the totals on each page', async () => {
    await using server = await started();
    const read = async (query: string) =>
      PolicyView.parse(await (await fetch(`${server.url}/api/v1/policies/finance?limit=1${query}`)).json());
    const first = await read('');
    expect(first.clusters.map(({ cluster }) => cluster)).toEqual(['eu']);
    const second = await read(`&cursor=${first.next}`);
    expect([second.clusters.map(({ cluster }) => cluster), second.next, second.phase]).toEqual([['us'], null, first.phase]);
    expect((await fetch(`${server.url}/api/v1/policies/finance?limit=1001`)).status).toBe(400);
  });

  it('page through a list in its own order, through any changes', async () => {
    await using server = await started();
    const read = async (query: string) =>
      PolicySummaryPage.parse(await (await fetch(`${server.url}/api/v1/policy-summaries?limit=1&${query}`)).json());
    const first = await read('sort=-violations');
    expect([first.items.map(({ name }) => name), first.total]).toEqual([['finance'], 2]);
    // It would now be the last one.
    await reportChange(server.ledger, 'us', { policies: [policyReport('finance')] });
    const second = await read(`sort=-violations&cursor=${first.next}`);
    expect(second.items.map(({ name }) => name)).toEqual(['hr']);
    const other = await fetch(`${server.url}/api/v1/policy-summaries?sort=name&cursor=${first.next}`);
    expect([other.status, (await problem(other)).detail]).toEqual([400, expect.stringContaining('sort=-violations')]);
  });

  it('add up violations and regions', async () => {
    await using server = await started();
    const read = async (path: string) => (await (await fetch(`${server.url}/api/v1/${path}`)).json()) as { items: object[] };
    const { items } = await read('violation-groups?by=workload');
    expect(items).toEqual([
      {
        key: 'us/finance/Pod/api-1',
        violations: 1,
        named: 1,
        policies: 1,
        clusters: 1,
        worstAction: 'deny',
        oldest: TIME,
      },
    ]);
    for (const [by, key] of [
      ['policy', 'finance'],
      ['cluster', 'us'],
      ['namespace', 'us/finance'],
      ['region', 'us-east-1'],
    ])
      expect((await read(`violation-groups?by=${by}`)).items).toMatchObject([{ key, violations: 1 }]);
    expect((await read('violation-groups?by=policy&q=hr')).items).toEqual([]);
    expect(await read('regions')).toMatchObject({
      items: [
        { region: 'eu-central-1', groups: ['eu'], policies: 1, clusters: ['eu'], nodes: 0, violations: 0 },
        { region: 'eu-west-1', groups: ['eu'], policies: 2, clusters: ['eu', 'us'], nodes: 4, violations: 0 },
        { region: 'us-east-1', groups: [], policies: 0, clusters: ['us'], nodes: 0, violations: 1 },
      ],
      nodesWithoutRegion: 0,
    });
  });

  it('page through events, newest first', async () => {
    await using server = await started();
    const read = async (query: string) =>
      (await (await fetch(`${server.url}/api/v1/events?limit=1${query}`)).json()) as { items: { id: number }[]; next: string };
    const first = await read('');
    const second = await read(`&cursor=${first.next}`);
    expect([first.items[0]?.id, second.items[0]?.id, second.next]).toEqual([2, 1, null]);
    expect((await read('&cluster=eu')).items[0]?.id).toBe(1);
  });

  it('answer while a hub stops, until its listener closes; only readiness fails', async () => {
    const [draining, closing] = [new AbortController(), new AbortController()];
    await using server = await startApiHarness({ shutdown: { draining: draining.signal, closing: closing.signal } });
    await fillLedger(server.ledger);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    draining.abort();
    const { code, detail } = await problem(await fetch(`${server.url}/readyz`));
    expect([code, detail]).toEqual(['not-ready', 'The hub is stopping.']);
    for (const path of ['/healthz', '/api/v1/status']) expect((await fetch(`${server.url}${path}`)).status).toBe(200);
  });

  it('serve probes and metrics', async () => {
    await using server = await startApiHarness();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await problem(await fetch(`${server.url}/readyz`))).code).toBe('not-ready');
    await fillLedger(server.ledger);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    await server.ledger.setAck('us', { revision: OLD_REVISION, digest: 'd' });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('fso_hub_clusters{state="pending"} 1');
    expect(metrics).toContain('fso_hub_violations{enforcement_action="deny"} 1');
    expect(metrics).toContain('fso_hub_commit_rejected 0');
    expect(metrics).toContain('path="/readyz",status="503"');
  });
});
