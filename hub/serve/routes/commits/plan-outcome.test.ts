import { type ClusterPreview, CONDITIONS, CommitActivity, type Risk, type TokenRequest } from '@fso/shared/api';
import { Plan, StoredPlanView } from '@fso/shared/effects';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeRollout } from '../../../rollout/index.ts';
import { type ApiHarness, commitRollout, fillLedger, startApiHarness } from '../../testing/api-harness.ts';
import { clusterReport, desiredOf, FILES, policyReport, reportChange, TIME } from '../../testing/fleet.ts';

const ADMIN = 'static-token-0123456789';
const MERGED = 'c3'.repeat(20);
const NONE = { now: 0, after: 0, begins: 0, ends: 0 };

const policyOf = (name: string, regions: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: {targetNamespace: ${name}, allowedRegions: [${regions}]}\n`;
const filesWith = (change: Readonly<Record<string, string>>) => [
  ...FILES.filter(({ path }) => !(path in change)),
  ...Object.entries(change).map(([path, text]) => ({ path, text })),
];
const textsOf = (files: typeof FILES) => Object.fromEntries(files.map(({ path, text }) => [path, text]));
const TIGHT = filesWith({ 'policies/finance.yaml': policyOf('finance', 'eu-west-1') });

const riskOf = (name: string): Risk & { policy: string } => ({
  ...{ risk: 'Refused', kind: 'Deployment', namespace: 'finance', name, reason: 'r', fix: 'f', confirmation: 'Confirmed' },
  policy: 'finance',
});
const owner = (name: string) => ({ kind: 'Deployment', namespace: 'finance', name, policies: ['finance'], reason: 'r', fix: 'f' });

describe('the outcome of a stored plan', () => {
  let server: ApiHarness;
  const call = (path: string, token = ADMIN, body?: unknown): Promise<Response> =>
    fetch(`${server.url}/api/v1${path}`, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    });
  const planned = async (body: object, token = ADMIN): Promise<string> =>
    `${Plan.parse(await (await call('/plans', token, { files: textsOf(TIGHT), ...body })).json()).id}`;
  const outcome = async (id: string, token = ADMIN) => StoredPlanView.parse(await (await call(`/plans/${id}`, token)).json()).outcome;
  const commit = async (revision: string) => CommitActivity.parse(await (await call(`/commits/${revision}`)).json());
  const tokenFor = async (scope: Partial<TokenRequest>): Promise<string> => {
    const response = await call('/tokens', ADMIN, { name: 'scoped', role: 'viewer', ...scope });
    return ((await response.json()) as { token: string }).token;
  };

  /** Puts a commit in force at the hub. */
  const merge = async (files: typeof FILES = TIGHT, revision = MERGED, accepts?: string): Promise<void> => {
    await server.ledger.setDesired(desiredOf(revision, files));
    const view = { ...commitRollout().commit, revision, ...(accepts !== undefined && { accepts }) };
    await writeRollout(server.ledger.records, commitRollout({ sequence: 2, commit: view }));
  };
  /** Reports that a cluster enforces a commit, and owners whose next pods it would refuse. */
  const take = async (
    cluster: string,
    owners: readonly string[],
    { revision = MERGED, refused = owners.length, known = 'True' as 'True' | 'False' | 'Unknown' } = {},
  ): Promise<void> => {
    await server.ledger.setAck(cluster, { revision, digest: 'd' });
    const risks = { refused, pending: 0, unconfirmed: 0, mended: 0, named: [] };
    const judged = { type: CONDITIONS.risksKnown, status: known, reason: 'Judged', message: '', lastTransitionTime: TIME };
    await reportChange(server.ledger, cluster, {
      full: true,
      policies: [
        policyReport('finance', { revision, ...(refused > 0 && { risks }) }),
        policyReport('hr', { risks: { ...risks, refused: 9 } }),
      ],
      cluster: { ...clusterReport(revision), conditions: [judged], riskSamples: owners.map(riskOf) },
    });
  };

  beforeEach(async () => {
    server = await startApiHarness({
      apiToken: ADMIN,
      agents: {
        preview: async (cluster): Promise<ClusterPreview | 'NoAnswer'> => {
          if (cluster === 'us') return 'NoAnswer';
          const refused = { now: 1, after: 3, begins: 2, ends: 0, owners: [owner('api'), owner('web')] };
          const lookedAt = { namespaces: 1, owners: 4, pods: 6 };
          return { state: 'Answered', observedAt: TIME, lookedAt, omitted: 0, outside: NONE, refused, pending: NONE };
        },
      },
    });
    await fillLedger(server.ledger);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  it('sets the reports of clusters that enforce the commit beside what was predicted', async () => {
    const id = await planned({});
    expect(await outcome(id)).toEqual({ state: 'NotInForce', revision: null, clusters: [] });
    await merge();
    await take('eu', ['api', 'old', 'web']);
    const found = await outcome(id);
    expect(found).toMatchObject({ state: 'InForce', revision: MERGED });
    const [eu, us] = found?.clusters ?? [];
    expect(eu).toEqual({
      ...{ cluster: 'eu', unknown: null },
      outside: { predicted: NONE, reported: { from: 0, to: 0 }, there: [], missing: null },
      // What hr reports is not of a namespace of the plan.
      refused: {
        ...{ predicted: { now: 1, after: 3, begins: 2, ends: 0 }, reported: { from: 3, to: 3 } },
        ...{ there: ['Deployment finance/api', 'Deployment finance/web'], missing: [] },
      },
      pending: { predicted: NONE, reported: { from: 0, to: 0 }, there: [], missing: null },
    });
    expect(us).toMatchObject({ cluster: 'us', unknown: 'NotTaken', refused: { predicted: null, reported: null } });
    expect((await commit(MERGED)).plan).toBe(id);
  });

  it('names predicted owners that are not there, where all are named', async () => {
    const id = await planned({});
    await merge();
    await take('eu', ['api']);
    expect((await outcome(id))?.clusters[0]?.refused).toMatchObject({
      there: ['Deployment finance/api'],
      missing: ['Deployment finance/web'],
    });
    await take('eu', ['api'], { refused: 30 });
    expect((await outcome(id))?.clusters[0]?.refused).toMatchObject({ reported: { from: 30, to: 30 }, missing: null });
    await take('eu', ['api'], { known: 'False' });
    expect((await outcome(id))?.clusters[0]?.refused).toMatchObject({ reported: { from: 1, to: null }, missing: null });
  });

  it('counts nothing of clusters that are not known, and names the reason', async () => {
    const id = await planned({});
    await merge();
    const unknown = async () => (await outcome(id))?.clusters[0]?.unknown;
    expect(await unknown()).toBe('NotTaken');
    await take('eu', [], { known: 'Unknown' });
    expect(await unknown()).toBe('NotJudged');
    await take('eu', ['api']);
    expect(await unknown()).toBeNull();
    server.ledger.suspendObservation(['eu']);
    expect(await unknown()).toBe('NotObserved');
    server.ledger.resumeObservation(['eu']);
    await server.ledger.setConnected('eu', false);
    expect(await unknown()).toBe('NotConnected');
    expect((await outcome(id))?.clusters[0]?.refused.reported).toBeNull();
  });

  it('is that of any commit that gives the clusters what was planned', async () => {
    const id = await planned({});
    // Another commit, which concerns no cluster of the plan.
    const other = 'apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: {name: ap}\nspec: {regions: [ap-east-1]}\n';
    await merge(filesWith({ 'policies/finance.yaml': policyOf('finance', 'eu-west-1'), 'clusters/ap.yaml': other }));
    expect((await outcome(id))?.state).toBe('InForce');
    await merge(filesWith({ 'policies/finance.yaml': policyOf('finance', 'eu-central-1') }));
    expect((await outcome(id))?.state).toBe('NotInForce');
    expect((await commit(MERGED)).plan).toBeNull();
  });

  it('differs where a commit names the plan and another change came with it', async () => {
    const id = await planned({});
    await merge([...TIGHT, { path: 'policies/new.yaml', text: policyOf('new', 'eu-west-1') }], MERGED, id);
    expect(await outcome(id)).toEqual({ state: 'Differs', revision: MERGED, clusters: [] });
    expect((await commit(MERGED)).plan).toBe(id);
  });

  it('is not compared for another time or lost nodes', async () => {
    const id = await planned({ withoutRegions: ['eu-central-1'] });
    await merge();
    expect((await outcome(id))?.state).toBe('NotComparable');
  });

  it('shows callers who see a part of the fleet that part', async () => {
    const finance = await tokenFor({ policies: { targetNamespaces: ['finance'] } });
    const [whole, id] = [await planned({}), await planned({}, finance)];
    // What they do not see may change meanwhile.
    await merge([...TIGHT, { path: 'policies/new.yaml', text: policyOf('new', 'eu-west-1') }]);
    await take('eu', ['api', 'old', 'web']);
    expect((await outcome(id, finance))?.clusters[0]).toMatchObject({
      cluster: 'eu',
      refused: { predicted: { now: null, after: null, begins: 2 }, reported: { from: 3, to: 3 }, missing: [] },
    });
    expect((await outcome(id))?.state).toBe('NotComparable');
    expect((await call(`/plans/${whole}`, finance)).status).toBe(404);
  });
});
