import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterPreview, TokenRequest } from '@fso/shared/api';
import { Plan, StoredPlanPage, StoredPlanView } from '@fso/shared/effects';
import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ledger, openLedger } from '../../../ledger/index.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../testing/api-harness.ts';
import { FILES, REVISION } from '../../testing/fleet.ts';
import { problem } from '../../testing/requests.ts';

const ADMIN = 'static-token-0123456789';
/** Text that stands in every part of a change that is free text, or no part of an effect. */
const SECRET = 'planted-7d1f';
const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const owner = (name: string) => ({
  ...{ kind: 'Deployment', namespace: 'finance', name, policies: ['finance'] },
  ...{ reason: `reason ${SECRET}`, fix: `fix ${SECRET}` },
});

const policyOf = (name: string, regions: string, more = ''): string =>
  `# ${SECRET}\napiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: ${name}\n  labels: {of: ${SECRET}}\n  annotations: {why: ${SECRET}}\nspec: {targetNamespace: ${name}, allowedRegions: [${regions}], description: ${SECRET}${more}}\n`;

const filesWith = (change: Readonly<Record<string, string>>): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(FILES.map(({ path, text }) => [path, text])),
  ...change,
});
const TIGHT = filesWith({ 'policies/finance.yaml': policyOf('finance', 'eu-west-1') });

describe('stored plans', () => {
  let folder: string;
  let ledger: Ledger;
  let server: ApiHarness;
  let owners: readonly string[];
  let finance: string;
  let hr: string;

  const call = (path: string, token = ADMIN, body?: unknown): Promise<Response> =>
    fetch(`${server.url}/api/v1${path}`, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    });
  const plan = async (body: unknown, token = ADMIN): Promise<Plan> => {
    const response = await call('/plans', token, body);
    expect(response.status).toBe(200);
    return Plan.parse(await response.json());
  };
  const read = async (id: string | null, token = ADMIN): Promise<StoredPlanView> =>
    StoredPlanView.parse(await (await call(`/plans/${id}`, token)).json());
  const tokenFor = async (scope: Partial<TokenRequest>): Promise<string> => {
    const response = await call('/tokens', ADMIN, { name: 'scoped', role: 'viewer', ...scope });
    return ((await response.json()) as { token: string }).token;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-stored-plans-'));
    const logger = pino({ level: 'silent' });
    ledger = await openLedger(
      { database: { folder }, history: { days: 30, events: 1_000 }, clock: systemClock, random: Math.random, logger },
      new AbortController().signal,
    );
    server = await startApiHarness({
      apiToken: ADMIN,
      ledger,
      agents: {
        preview: async (): Promise<ClusterPreview> => {
          const lookedAt = { namespaces: 1, owners: 4, pods: 6 };
          const refused = { now: 0, after: owners.length, begins: owners.length, ends: 0, owners: owners.map(owner) };
          return { state: 'Answered', observedAt: '2026-06-01T00:00:00.000Z', lookedAt, omitted: 0, outside: NONE, refused, pending: NONE };
        },
      },
    });
    await fillLedger(ledger);
    owners = ['api', 'web'];
    finance = await tokenFor({ policies: { targetNamespaces: ['finance'] } });
    hr = await tokenFor({ policies: { targetNamespaces: ['hr'] } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await ledger.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('hold the effects, who made them, and digests', async () => {
    const { id } = await plan({ files: TIGHT });
    expect(await read(id)).toMatchObject({
      ...{ id, by: 'local', source: 'main', revision: REVISION },
      effects: [{ clusters: ['eu', 'us'], namespaces: ['finance'], action: 'deny', verdict: 'tightened' }],
      workloads: [
        { cluster: 'eu', refused: { begins: 2, owners: ['Deployment finance/api', 'Deployment finance/web'] } },
        { cluster: 'us', refused: { begins: 2 } },
      ],
    });
    const { items } = StoredPlanPage.parse(await (await call('/plans?limit=1')).json());
    expect(items.map((item) => item.id)).toEqual([id]);
  });

  it('hold no text of the change, on the disk either', async () => {
    const path = `policies/${SECRET}/new.yaml`;
    const files = {
      ...TIGHT,
      [path]: policyOf('new', 'eu-west-1', `, placement: {clusterNames: [eu]}`).replace('name: new', `name: ${SECRET}`),
    };
    const { id, effects } = await plan({ files, accept: SECRET });
    expect(effects).toHaveLength(2);
    await plan({ files, accept: SECRET.repeat(8) });
    expect(JSON.stringify([await read(id), server.audit, await (await call('/plans')).text()])).not.toContain(SECRET);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
    );
    expect(texts.some((text) => text.includes(`${id}`))).toBe(true);
    expect(texts.filter((text) => text.includes(SECRET))).toEqual([]);
  });

  it('accept what is a part of them, and name what is more', async () => {
    const { id } = await plan({ files: TIGHT });
    expect(await plan({ files: TIGHT, accept: id })).toMatchObject({
      ...{ id, result: 'Accepted', acceptance: { state: 'Accepted', plan: id, by: 'local', beyond: [] } },
    });
    expect(server.audit.at(-1)?.detail).toBe(`Accepted: 1 change; 2 clusters answered, 0 did not; stored as ${id}; Accepted: ${id}`);
    owners = ['api', 'batch'];
    const more = await plan({ files: filesWith({ ...TIGHT, 'policies/new.yaml': policyOf('new', 'eu-west-1') }), accept: id });
    expect([more.result, more.acceptance?.state, more.acceptance?.beyond]).toEqual([
      'Breaks',
      'Beyond',
      [
        ...['eu', 'us'].map((cluster) => ({ clusters: [cluster], message: 'namespace new: deny appears' })),
        ...['eu', 'us'].map((cluster) => ({
          clusters: [cluster],
          message: 'would be refused at the next start: 1 other owner',
          owners: ['Deployment finance/batch'],
        })),
      ],
    ]);
    owners = ['api', 'web'];
  });

  it('accept the effects on a cluster that the change registers', async () => {
    const cluster =
      'apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: {name: ap}\nspec: {regions: [eu-west-1, ap-east-1]}\n';
    const files = filesWith({ 'clusters/ap.yaml': cluster });
    const { id, result, effects, workloads } = await plan({ files });
    expect([result, effects, workloads]).toMatchObject([
      'Breaks',
      [{ clusters: ['ap'], verdict: 'appears' }],
      { clusters: [], notAnswered: [] },
    ]);
    expect(await plan({ files, accept: id })).toMatchObject({ result: 'Accepted', acceptance: { plan: id, beyond: [] } });
  });

  it('outlive others that were made after them, once they accept a change', async () => {
    const { id, result } = await plan({ files: filesWith({}) });
    expect([id, result]).toEqual([null, 'NothingBreaks']);
    const { id: first } = await plan({ files: TIGHT });
    const files = filesWith({ ...TIGHT, 'policies/z.yaml': policyOf('z', 'eu-west-1', ', enforcementAction: warn') });
    const { id: wider } = await plan({ files });
    const before = await (await call('/plans')).json();
    // A subset of them is accepted by them, and stored no second time.
    expect(await plan({ files: TIGHT, accept: wider })).toMatchObject({ id: wider, result: 'Accepted' });
    expect(await (await call('/plans')).json()).toEqual(before);
    const acceptedAt = (each: string | null): unknown => (ledger.records.get('plan', `${each}`) as { acceptedAt?: string }).acceptedAt;
    expect(acceptedAt(wider)).toEqual(expect.any(String));
    expect(first).not.toBe(wider);
  });

  it('accept nothing of another base, or with other options', async () => {
    const { id } = await plan({ files: TIGHT });
    expect((await plan({ files: TIGHT, accept: id, clusters: ['eu'] })).acceptance).toMatchObject({ state: 'OtherOptions', by: 'local' });
    expect((await plan({ files: TIGHT, accept: '0'.repeat(24) })).acceptance).toMatchObject({ state: 'UnknownPlan', by: null });
    expect(await problem(await call('/plans', ADMIN, { files: TIGHT, accept: 'x'.repeat(101) }))).toMatchObject({ code: 'bad-request' });
  });

  it('are shown to callers with the same scope, and to those who see everything', async () => {
    const { id: whole } = await plan({ files: TIGHT });
    const { id: part, effects } = await plan({ files: TIGHT }, finance);
    expect(effects).toHaveLength(1);
    const again = await tokenFor({ policies: { targetNamespaces: ['finance'] } });
    const statuses = async (token: string): Promise<number[]> => {
      const answers = await Promise.all([whole, part].map((id) => call(`/plans/${id}`, token)));
      return answers.map(({ status }) => status);
    };
    expect(await statuses(ADMIN)).toEqual([200, 200]);
    expect(await statuses(finance)).toEqual([404, 200]);
    expect(await statuses(again)).toEqual([404, 200]);
    expect(await statuses(hr)).toEqual([404, 404]);
    const listed = async (token: string): Promise<string[]> =>
      StoredPlanPage.parse(await (await call('/plans', token)).json()).items.map(({ id }) => id);
    expect([await listed(finance), await listed(hr)]).toEqual([[part], []]);
    expect((await plan({ files: TIGHT, accept: part }, again)).acceptance?.state).toBe('Accepted');
    expect((await plan({ files: TIGHT, accept: whole }, finance)).acceptance?.state).toBe('UnknownPlan');
    expect((await plan({ files: TIGHT, accept: part })).acceptance?.state).toBe('OtherScope');
  });

  it('are not shown again to callers whose grants select policies by name', async () => {
    const byName = await tokenFor({ policies: { policyNames: ['finance'] } });
    const { id } = await plan({ files: TIGHT }, byName);
    expect((await call(`/plans/${id}`, byName)).status).toBe(404);
    expect((await plan({ files: TIGHT, accept: id }, byName)).acceptance?.state).toBe('Accepted');
  });

  it('are refused by an id that is none', async () => {
    expect(await problem(await call('/plans/moon'))).toMatchObject({ status: 400, code: 'bad-request' });
  });
});
