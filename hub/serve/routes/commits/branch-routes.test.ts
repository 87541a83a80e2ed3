import type { ClusterPreview, TokenRequest } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { BranchList, Plan, StoredPlan, StoredPlanPage } from '@fso/shared/effects';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ScriptedBranch, scriptedBranches } from '../../../plans/testing/scripted-branches.ts';
import { BranchError } from '../../../source/index.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../testing/api-harness.ts';
import { FILES } from '../../testing/fleet.ts';
import { problem } from '../../testing/requests.ts';

const ADMIN = 'static-token-0123456789';
/** Text of a branch that nobody may keep, nor be told who sees a part of the fleet. */
const SECRET = 'planted-3c7a';
const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const TIPS = ['1', '2', '3'].map((digit) => digit.repeat(40));

const finance = (spec: string): SourceFile => ({
  path: 'policies/finance.yaml',
  text: `# ${SECRET}\napiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: finance}\nspec: {targetNamespace: finance, ${spec}}\n`,
});
const withFinance = (spec: string): readonly SourceFile[] => [
  ...FILES.filter(({ path }) => path !== 'policies/finance.yaml'),
  finance(spec),
];
const TIGHT = withFinance(`allowedRegions: [eu-west-1], description: ${SECRET}`);
const WIDE = withFinance('allowedRegions: [eu-west-1, eu-central-1, eu-north-1]');

describe('branches', () => {
  const branches = new Map<string, ScriptedBranch | BranchError>();
  let server: ApiHarness;
  let answers: Readonly<Record<string, readonly string[] | 'NoAnswer'>>;
  let user = 0;
  let token = '';

  const call = (path: string, as = token, body?: unknown): Promise<Response> =>
    fetch(`${server.url}/api/v1${path}`, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: { Authorization: `Bearer ${as}`, 'Content-Type': 'application/json' },
    });
  const tokenFor = async (scope: Partial<TokenRequest> = {}): Promise<string> => {
    user += 1;
    const response = await call('/tokens', ADMIN, { name: `user-${user}`, role: 'viewer', ...scope });
    return ((await response.json()) as { token: string }).token;
  };
  const plan = async (body: unknown, as = token): Promise<Plan> => {
    const response = await call('/plans', as, body);
    expect(response.status).toBe(200);
    return Plan.parse(await response.json());
  };
  const list = async (as = token): Promise<BranchList> => BranchList.parse(await (await call('/branches', as)).json());
  const lastPlan = async (as = token) => (await list(as)).items.find(({ name }) => name === 'tighten')?.plan ?? null;
  const set = (tip: number, files: readonly SourceFile[]): void => void branches.set('tighten', { revision: `${TIPS[tip]}`, files });

  beforeAll(async () => {
    server = await startApiHarness({
      apiToken: ADMIN,
      branches: scriptedBranches(branches),
      agents: {
        preview: async (cluster): Promise<ClusterPreview | 'NoAnswer'> => {
          const owners = answers[cluster] ?? [];
          if (owners === 'NoAnswer') return owners;
          const named = owners.map((name) => ({
            ...{ kind: 'Deployment', namespace: 'finance', name, policies: ['finance'] },
            ...{ reason: SECRET, fix: SECRET },
          }));
          return {
            ...{ state: 'Answered', observedAt: '2026-06-01T00:00:00.000Z', lookedAt: { namespaces: 1, owners: 4, pods: 6 }, omitted: 0 },
            ...{ outside: NONE, refused: { ...NONE, after: owners.length, begins: owners.length, owners: named }, pending: NONE },
          };
        },
      },
    });
    await fillLedger(server.ledger);
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    branches.clear();
    answers = {};
    set(0, TIGHT);
    for (const each of server.ledger.records.list('plan')) {
      const { summary } = each as { readonly summary: { readonly id: string } };
      await server.ledger.records.update('plan', summary.id, () => undefined);
    }
    token = await tokenFor();
  });

  it('are listed with the number of all, and planned by their name', async () => {
    branches.set('other', { revision: `${TIPS[1]}`, files: FILES });
    expect(await list()).toMatchObject({
      items: [
        { name: 'tighten', revision: TIPS[0], plan: null },
        { name: 'other', revision: TIPS[1], plan: null },
      ],
      total: 2,
    });
    const made = await plan({ branch: 'tighten' });
    expect(made).toMatchObject({
      ...{ result: 'Breaks', after: { source: 'tighten', revision: TIPS[0] }, branch: { ahead: 1, behind: 0, since: null } },
      effects: [{ verdict: 'tightened', namespaces: [{ pattern: 'finance' }] }],
    });
    expect(await lastPlan()).toMatchObject({ id: made.id, result: 'Breaks', branch: { name: 'tighten', revision: TIPS[0] } });
    const stored = StoredPlan.parse(await (await call(`/plans/${made.id}`)).json());
    expect(stored).toMatchObject({ id: made.id, branch: { name: 'tighten', revision: TIPS[0] } });
  });

  it('are compared as the same files that a caller sends', async () => {
    const files = Object.fromEntries(TIGHT.map(({ path, text }) => [path, text]));
    const [sent, read] = [await plan({ files }), await plan({ branch: 'tighten' })];
    expect(read.effects).toEqual(sent.effects);
    const changes = await Promise.all(
      [sent, read].map(async ({ id }) => StoredPlan.parse(await (await call(`/plans/${id}`)).json()).change),
    );
    expect(changes[0]).toBe(changes[1]);
  });

  it('keep one plan that breaks nothing, and those that break something', async () => {
    const { id: breaking } = await plan({ branch: 'tighten' });
    const ids: (string | null)[] = [];
    for (const tip of [1, 2]) {
      set(tip, WIDE);
      const made = await plan({ branch: 'tighten' });
      expect(made.result).toBe('NothingBreaks');
      ids.push(made.id);
    }
    const { items } = StoredPlanPage.parse(await (await call('/plans')).json());
    expect(items.map(({ id }) => id)).toEqual([ids[1], breaking]);
    expect(await lastPlan()).toMatchObject({ id: ids[1], result: 'NothingBreaks', branch: { revision: TIPS[2] } });
  });

  it('show the last plan, also where one is equal to an older one', async () => {
    const { id: first } = await plan({ branch: 'tighten' });
    expect((await plan({ branch: 'tighten' })).id).toBe(first);
    set(1, WIDE);
    await plan({ branch: 'tighten' });
    set(0, TIGHT);
    const { id: last } = await plan({ branch: 'tighten' });
    expect(last).not.toBe(first);
    expect((await lastPlan())?.id).toBe(last);
  });

  it('have a plan that names what is new and what is gone since the last one', async () => {
    answers = { eu: ['api', 'web'], us: [] };
    const first = await plan({ branch: 'tighten' });
    set(1, [...TIGHT, { path: 'policies/new.yaml', text: finance('allowedRegions: [eu-west-1]').text.replaceAll('finance', 'new') }]);
    answers = { eu: ['api', 'job'], us: [] };
    const { branch } = await plan({ branch: 'tighten' });
    const message = 'would be refused at the next start: 1 other owner';
    expect(branch?.since).toMatchObject({
      ...{ plan: first.id, revision: TIPS[0], unknown: [] },
      begins: [
        { clusters: ['eu', 'us'], message: 'namespace new: deny appears' },
        { clusters: ['eu'], message, owners: ['Deployment finance/job'] },
      ],
      ends: [{ clusters: ['eu'], message, owners: ['Deployment finance/web'] }],
    });
  });

  it('do not take a cluster that did not answer for one without effects', async () => {
    answers = { eu: ['api'], us: ['api'] };
    await plan({ branch: 'tighten' });
    answers = { eu: ['api'], us: 'NoAnswer' };
    expect((await plan({ branch: 'tighten' })).branch?.since).toMatchObject({ begins: [], ends: [], unknown: ['us'] });
  });

  it('are compared with the last plan of the same options alone', async () => {
    const lost = await plan({ branch: 'tighten', withoutRegions: ['eu-west-1'] });
    expect(lost.branch?.since).toBeNull();
    expect(await lastPlan()).toBeNull();
    expect((await plan({ branch: 'tighten' })).branch?.since).toBeNull();
    expect((await plan({ branch: 'tighten', withoutRegions: ['eu-west-1'] })).branch?.since?.plan).toBe(lost.id);
  });

  it.each([
    ['not-found', 404],
    ['conflict', 409],
    ['source-unavailable', 503],
    ['bad-request', 400],
  ] as const)('name the reason why they are not read: %s', async (code, status) => {
    branches.set('tighten', new BranchError(code, 'It is so: for a reason.', [{ path: 'policies/finance.yaml', line: 1, reason: SECRET }]));
    expect(await problem(await call('/plans', token, { branch: 'tighten' }))).toMatchObject({
      ...{ code, status, detail: 'It is so: for a reason.', problems: [{ path: 'policies/finance.yaml', reason: SECRET }] },
    });
    expect(JSON.stringify(server.audit.at(-1))).not.toContain(SECRET);
  });

  it('show problems of their files with the place', async () => {
    set(0, withFinance(`alowedRegions: [${SECRET}]`));
    const { code, problems } = await problem(await call('/plans', token, { branch: 'tighten' }));
    expect([code, problems?.[0]?.path]).toEqual(['bad-request', 'policies/finance.yaml']);
  });

  it('show callers who see a part of the fleet nothing of their files and of the hub', async () => {
    const scoped = await tokenFor({ policies: { targetNamespaces: ['hr'] } });
    set(0, withFinance(`alowedRegions: [${SECRET}]`));
    const invalid = await problem(await call('/plans', scoped, { branch: 'tighten' }));
    expect([invalid.code, invalid.problems, JSON.stringify(invalid).includes('finance')]).toEqual(['bad-request', undefined, false]);
    branches.set('tighten', new BranchError('source-unavailable', 'The policy repository cannot be read: for a reason.'));
    expect((await problem(await call('/plans', scoped, { branch: 'tighten' }))).detail).toBe('The policy repository cannot be read.');
    set(0, TIGHT);
    const made = await plan({ branch: 'tighten' }, scoped);
    expect([made.effects, made.result, JSON.stringify(made).includes(SECRET)]).toEqual([[], 'NothingBreaks', false]);
  });

  it('show the plans of each part of the fleet to its own callers', async () => {
    const [hr, own] = [
      await tokenFor({ policies: { targetNamespaces: ['hr'] } }),
      await tokenFor({ policies: { targetNamespaces: ['finance'] } }),
    ];
    const made = await plan({ branch: 'tighten' }, own);
    expect(made.effects).toHaveLength(1);
    expect([(await lastPlan(own))?.id, await lastPlan(hr), await lastPlan()]).toEqual([made.id, null, null]);
    expect((await plan({ branch: 'tighten' })).branch?.since).toBeNull();
    expect((await plan({ branch: 'tighten' }, own)).branch?.since?.plan).toBe(made.id);
  });

  it.each([
    ['files beside a branch', { branch: 'tighten', files: {} }, 'bad-request'],
    ['a patch of a branch', { branch: 'tighten', patch: true }, 'bad-request'],
    ['neither', {}, 'bad-request'],
    ['no name of a branch', { branch: '../x' }, 'bad-request'],
    ['more than 64 KiB', { branch: 'tighten', clusters: Array.from({ length: 9_000 }, (_, at) => `cluster-${at}`) }, 'too-large'],
  ])('are not read for a request with %s', async (_what, body, code) => {
    expect((await problem(await call('/plans', token, body))).code).toBe(code);
  });

  it('leave a name and commits in what is stored and recorded, and no text', async () => {
    answers = { eu: ['api'] };
    const { id } = await plan({ branch: 'tighten' });
    expect(server.audit.at(-1)?.detail).toBe(`Breaks: 1 change; 2 clusters answered, 0 did not; of commit ${TIPS[0]}; stored as ${id}`);
    const kept = JSON.stringify([server.ledger.records.list('plan'), server.audit]);
    expect([kept.includes('tighten'), kept.includes(SECRET)]).toEqual([true, false]);
  });

  it('cannot be listed while the repository does not answer', async () => {
    await using away = await startApiHarness({
      apiToken: ADMIN,
      branches: {
        ...scriptedBranches(),
        list: () => Promise.reject(new BranchError('source-unavailable', 'The policy repository cannot be read: connection refused.')),
      },
    });
    const response = await fetch(`${away.url}/api/v1/branches`, { headers: { Authorization: `Bearer ${ADMIN}` } });
    expect(await problem(response)).toMatchObject({
      ...{ code: 'source-unavailable', status: 503, detail: 'The policy repository cannot be read: connection refused.' },
    });
  });
});
