import { type AlertView, CLI_SESSION, type IssueList, type ProblemDetails, type RoleGrant, type SilenceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { encodeBitmap } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { principalOf } from '../../access/index.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';
import { baselineIn, desiredOf, REVISION, reportChange } from '../testing/fleet.ts';
import { fillMarkedLedger, MARKED_ALERTS, MARKED_SILENCES, markedAgents, markedFiles } from './testing/marked-fleet.ts';
import { WITHHELD } from './withhold.ts';

const STATIC = 'static-token-0123456789';
const EU: RoleGrant = { role: 'operator', clusters: { clusterRegions: ['group:eu'] } };
const FINANCE: RoleGrant = { role: 'operator', policies: { targetNamespaces: ['finance*'] } };

const methodOf = (path: string, body: object | undefined): string => {
  if (body !== undefined) return 'POST';
  return path.startsWith('/silences/') ? 'DELETE' : 'GET';
};

/** Union of the answers of the routes of alerts. */
type Answer = { readonly items: (AlertView & Pick<SilenceView, 'matchers'>)[]; readonly id: string } & ProblemDetails;

const callAs = async (server: ApiHarness, token: string, path: string, body?: object) => {
  const response = await fetch(`${server.url}/api/v1/alerts${path}`, {
    method: methodOf(path, body),
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Answer };
};

const signIn = async (server: ApiHarness, grants: readonly RoleGrant[]): Promise<string> => {
  const principal = principalOf({ kind: 'user', id: JSON.stringify(grants), name: 'Eva' }, grants);
  return CLI_SESSION + (await server.access.sessions.begin(principal, { byCookie: false }));
};

const silenceOf = (...matchers: string[]) => ({ matchers, until: new Date(Date.now() + 3_600_000).toISOString(), reason: 'upgrade' });

const started = async (): Promise<ApiHarness> => {
  const server = await startApiHarness({ apiToken: STATIC, agents: markedAgents, alertsConfig: MARKED_ALERTS });
  await fillMarkedLedger(server.ledger);
  await expect
    .poll(async () => (await callAs(server, STATIC, '?cluster=us-xcluster')).body.items.map(({ name }) => name))
    .toContain('CommitRefused');
  return server;
};

const namesOf = (alerts: readonly AlertView[]): string[] =>
  alerts.map(({ name, labels: { cluster, policy } }) => [name, cluster, policy].filter((part) => part !== undefined).join(' ')).sort();

it('shows alerts of visible clusters and policies, and none of the hub', async () => {
  await using server = await started();
  const listed = async (grants: readonly RoleGrant[]): Promise<readonly AlertView[]> =>
    (await callAs(server, await signIn(server, grants), '?limit=500')).body.items;
  const all = (await callAs(server, STATIC, '?limit=500')).body.items;
  expect(namesOf(all)).toEqual(expect.arrayContaining(['CommitRejected', 'RevisionNotTrusted', 'SourceUnreachable']));
  const isOfEu = ({ labels: { cluster } }: AlertView): boolean => cluster?.startsWith('eu-') === true;

  const eu = await listed([EU]);
  expect(namesOf(eu.filter(({ labels }) => labels.cluster !== undefined))).toEqual(namesOf(all.filter(isOfEu)));
  expect(namesOf(eu)).toEqual(expect.arrayContaining(['CommitRefused eu-1', 'Tampered eu-1', 'Violations eu-1 payroll-xpolicy']));
  // Files of the repository, which the cluster names.
  expect(eu.find(({ name }) => name === 'CommitRefused')?.details).toBe(WITHHELD);

  const finance = await listed([FINANCE]);
  expect(namesOf(finance)).toEqual(expect.arrayContaining(['Violations eu-1 finance', 'Violations us-xcluster ledger-xcluster']));
  expect(namesOf(finance).filter((name) => /Refused|Tampered|Never|Away|xpolicy|xboth/.test(name))).toEqual([]);
});

it('shows issues of visible clusters and policies, and those of the hub without names', async () => {
  await using server = await started();
  const listed = async (token: string): Promise<IssueList> => {
    const response = await fetch(`${server.url}/api/v1/issues`, { headers: { Authorization: `Bearer ${token}` } });
    return (await response.json()) as IssueList;
  };
  const clustersIn = ({ items }: IssueList): string[] =>
    [...new Set(items.flatMap(({ issues }) => issues.flatMap(({ cluster }) => cluster ?? [])))].sort(byText);
  const namesIn = ({ items }: IssueList): string[] => items.map(({ name }) => name);
  await expect.poll(async () => (await listed(STATIC)).complete).toBe(true);
  const all = await listed(STATIC);
  expect(clustersIn(all)).toEqual(['eu-1', 'eu-2', 'us-xcluster']);
  expect(namesIn(all)).toEqual(
    expect.arrayContaining(['SourceUnreachable', 'CommitRejected', 'RevisionNotTrusted', 'Tampered', 'Violations']),
  );

  const eu = await listed(await signIn(server, [EU]));
  expect([eu.complete, clustersIn(eu)]).toEqual([true, ['eu-1', 'eu-2']]);
  expect(namesIn(eu)).toEqual(expect.arrayContaining(['CommitRejected', 'CommitRefused', 'RevisionNotTrusted', 'Tampered', 'Violations']));
  expect(JSON.stringify(eu)).not.toMatch(/xcluster|xboth|xglobal/);
  expect(eu.items.find(({ name }) => name === 'CommitRefused')?.issues[0]?.problem).toContain(WITHHELD);

  const finance = await listed(await signIn(server, [FINANCE]));
  expect(finance.items.flatMap(({ issues }) => issues.flatMap(({ policy }) => policy ?? []))).toEqual(
    expect.arrayContaining(['finance', 'ledger-xcluster']),
  );
  expect(JSON.stringify(finance)).not.toMatch(/xpolicy|xboth|xglobal/);
});

it('reports that no cluster has a namespace only to callers who see the policy in all clusters', async () => {
  await using server = await started();
  const missing = encodeBitmap(2, (at) => at === 0);
  for (const cluster of ['eu-1', 'eu-2']) {
    const baseline = baselineIn(desiredOf(REVISION, markedFiles()), cluster, { missing });
    await reportChange(server.ledger, cluster, { full: true, baseline });
  }
  const listed = async (token: string): Promise<readonly string[]> =>
    namesOf((await callAs(server, token, '?limit=500&policy=finance')).body.items.filter(({ name }) => name === 'PolicyNotProven'));
  await expect.poll(() => listed(STATIC)).toEqual(['PolicyNotProven finance']);
  expect(await listed(await signIn(server, [FINANCE]))).toEqual(['PolicyNotProven finance']);
  expect(await listed(await signIn(server, [EU]))).toEqual([]);
});

it('lets operators of all that a silence can match make and end it', async () => {
  await using server = await started();
  const [eu, finance] = [await signIn(server, [EU]), await signIn(server, [FINANCE])];
  const viewer = await signIn(server, [{ ...EU, role: 'viewer' }]);
  const make = async (token: string, ...matchers: string[]): Promise<number> =>
    (await callAs(server, token, '/silences', silenceOf(...matchers))).status;
  expect([await make(eu, 'cluster="eu-1"'), await make(eu, 'cluster=eu-2', 'severity=~"warn.*|info"')]).toEqual([201, 201]);
  const refused = [
    'cluster="us-xcluster"',
    'cluster=~"eu-.*"',
    'cluster=~"eu-1|us-xcluster"',
    'cluster!="us-xcluster"',
    'team="blue"',
    '?',
  ];
  for (const matcher of refused) expect([matcher, await make(eu, matcher)]).toEqual([matcher, 403]);
  expect(await make(viewer, 'cluster="eu-1"')).toBe(403);
  expect(await make(finance, 'cluster="us-xcluster"', 'policy="ledger-xcluster"')).toBe(201);
  const beyond = [
    ['cluster="eu-1"'],
    ['policy="finance"'],
    ['cluster="eu-1"', 'policy=~"fin.*"'],
    ['cluster="eu-1"', 'policy="payroll-xpolicy"'],
  ];
  for (const matchers of beyond) expect([matchers, await make(finance, ...matchers)]).toEqual([matchers, 403]);
  expect((await callAs(server, finance, '/silences', silenceOf('cluster="eu-1"'))).body.detail).toBe(
    'The cluster eu-1 is outside of your scope: a silence needs your role for every policy in it, or for the policy that a matcher of the form policy="name" names.',
  );
  expect((await callAs(server, eu, '/silences', silenceOf('team="blue"'))).body.detail).toBe(
    'Your role is for a part of the fleet: a silence needs a matcher of the form cluster="name" for a cluster of it.',
  );
  // Read as anybody's: what it is about, and what is wrong with it.
  expect(await make(eu, 'cluster="eu-1"', '?')).toBe(400);

  const idOf = async (index: number): Promise<string> =>
    (
      await callAs(server, STATIC, '/silences', {
        ...silenceOf(),
        ...MARKED_SILENCES[index],
      })
    ).body.id;
  const [inEu, inUs] = [await idOf(0), await idOf(3)];
  const end = async (token: string, id: string) => callAs(server, token, `/silences/${id}`);
  expect((await end(eu, inEu)).status).toBe(200);
  const [outside, nowhere] = [await end(eu, inUs), await end(eu, 'f'.repeat(16))];
  expect([outside.status, nowhere.status]).toEqual([403, 403]);
  expect(outside.body.detail?.replace(inUs, 'f'.repeat(16))).toBe(nowhere.body.detail);
  expect((await callAs(server, viewer, '/silences')).body.items.map(({ matchers }) => matchers[0])).toEqual(
    expect.not.arrayContaining(['cluster="us-xcluster"']),
  );
  expect((await end(STATIC, inUs)).status).toBe(200);
});

it('shows that others silenced an alert, and hides who is notified', async () => {
  await using server = await started();
  await callAs(server, STATIC, '/silences', silenceOf('name="Tampered"'));
  const eu = await signIn(server, [EU]);
  const { items } = (await callAs(server, eu, '?name=Tampered')).body;
  expect(items.map(({ state, notified, labels }) => `${state} ${labels.cluster} ${notified.length}`).toSorted(byText)).toEqual([
    'silenced eu-1 0',
    'silenced eu-2 0',
  ]);
  expect((await callAs(server, eu, '/silences')).body.items).toEqual([]);
});
