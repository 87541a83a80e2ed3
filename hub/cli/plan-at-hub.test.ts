import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClusterPreview } from '@fso/shared/api';
import { Plan } from '@fso/shared/effects';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiHarness } from '../serve/testing/api-harness.ts';
import { FILES, REVISION } from '../serve/testing/fleet.ts';
import { fso, runFso, startFilledApi } from './testing/run-fso.ts';

const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const owner = {
  kind: 'Deployment',
  namespace: 'finance',
  name: 'planted-owner',
  reason: 'spec.nodeSelector allows region "eu-central-1"',
  fix: 'set another region',
  policies: ['finance'],
};
const ANSWER: ClusterPreview = {
  state: 'Answered',
  observedAt: '2026-06-01T00:00:00.000Z',
  lookedAt: { namespaces: 1, owners: 4, pods: 6 },
  omitted: 2,
  outside: NONE,
  refused: { now: 1, after: 2, begins: 2, ends: 1, owners: [owner] },
  pending: NONE,
};
const WELL: ClusterPreview = { ...ANSWER, omitted: 0, refused: NONE };

describe('fso plan with a hub', () => {
  let root: string;
  let server: ApiHarness;
  let answers: Readonly<Record<string, ClusterPreview | 'NoAnswer'>>;
  const put = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const finance = (spec: string): void =>
    put(
      'policies/finance.yaml',
      `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: finance}\nspec: {targetNamespace: finance, ${spec}}\n`,
    );
  const plan = (...args: string[]) => fso(server, 'plan', '--dir', root, ...args);

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'fso-plan-hub-'));
    for (const { path, text } of FILES) put(path, text);
    server = await startFilledApi({ agents: { preview: async (cluster) => answers[cluster] ?? 'NotConnected' } });
  });
  afterAll(async () => {
    rmSync(root, { recursive: true, force: true });
    await server[Symbol.asyncDispose]();
  });

  it('shows what would happen to what runs, beside what is possible', async () => {
    finance('allowedRegions: [eu-west-1]');
    answers = { eu: ANSWER, us: WELL };
    const { code, out, err } = await plan();
    expect([code, out]).toEqual([
      1,
      `Breaks: 1 of 1 change would refuse pods that could run before, or leave them pending. Of what runs, 0 owners would be outside, 2 refused at the next start, and 0 stay pending.

CLUSTERS  NAMESPACE  ACTION  CHANGE     BEFORE                   AFTER      A POD THAT SHOWS IT                                      FIX
eu, us    finance    deny    tightened  eu-central-1, eu-west-1  eu-west-1  refused: spec.nodeSelector allows region "eu-central-1"  set spec.nodeSelector["topology.kubernetes.io/region"] to one of eu-west-1

CLUSTER  RUN OUTSIDE  REFUSED AT NEXT START  WOULD STAY PENDING  LOOKED AT
eu       0            2 (+2 -1)              0                   4 owners, 6 pods

CLUSTER  OWNER                             WOULD BE  REASON                                          POLICIES  FIX
eu       Deployment finance/planted-owner  refused   spec.nodeSelector allows region "eu-central-1"  finance   set another region

`,
    ]);
    expect(err).toContain(`Compared: main (${REVISION.slice(0, 8)}`);
    expect(err).toContain('2 owners in eu were not judged whole.\n');
  });

  it('writes JSON of the change that was given, and Markdown without names of workloads', async () => {
    answers = { eu: ANSWER, us: WELL };
    const json = Plan.parse(JSON.parse((await plan('-o', 'json')).out));
    expect(json).toMatchObject({ before: { revision: REVISION }, after: { source: root, revision: null } });
    expect(json.workloads?.clusters[0]?.refused.owners).toEqual([owner]);
    const { out } = await plan('-o', 'markdown');
    expect(out).toContain('| `eu` | `0` | `2 (+2 -1)` | `0` | `4 owners, 6 pods` |');
    expect(out).not.toContain('planted-owner');
  });

  it('does not call it fine where a cluster did not answer, unless that is allowed', async () => {
    finance('allowedRegions: [eu-west-1, eu-central-1, eu-north-1]');
    answers = { eu: WELL, us: 'NoAnswer' };
    const { code, out, err } = await plan();
    expect([code, out.split('\n', 1)]).toEqual([
      1,
      [
        'Not all clusters answered, so it is not known that nothing breaks. Nothing that runs in the 1 cluster that answered gets worse. 1 cluster did not answer.',
      ],
    ]);
    expect(err).toContain('Not answered: us: their agents are connected and did not answer, or not in time.\n');
    expect((await plan('--allow-missing')).code).toBe(0);
    answers = { eu: WELL, us: WELL };
    expect((await plan()).code).toBe(0);
  });

  it.each(['TooLarge', 'OtherList'] as const)('lets no cluster pass that is not away: %s', async (reason) => {
    answers = { eu: WELL, us: { state: 'NotAnswered', reason, message: '' } };
    expect((await plan('--allow-missing')).code).toBe(1);
  });

  it('lets agents pass that are off, and not where none answered', async () => {
    const off: ClusterPreview = { state: 'NotAnswered', reason: 'Off', message: '' };
    answers = { eu: WELL, us: off };
    expect((await plan('--allow-missing')).code).toBe(0);
    answers = { eu: off };
    expect(await plan('--allow-missing')).toMatchObject({ code: 1, out: expect.stringContaining('Not all clusters answered') });
  });

  it('does not call it fine where owners were left out, also with --allow-missing', async () => {
    answers = { eu: { ...WELL, omitted: 2 }, us: WELL };
    for (const args of [[], ['--allow-missing']]) {
      const { code, out } = await plan(...args);
      expect([code, out.split('\n', 1)]).toEqual([1, ['Not all was looked at, so it is not known that nothing breaks.']]);
    }
  });

  it('calls it fine where what is refused now would stay pending instead', async () => {
    finance('allowedRegions: [eu-west-1, eu-central-1, eu-north-1]');
    answers = { eu: { ...WELL, refused: { ...NONE, now: 2, ends: 2 }, pending: { ...NONE, after: 2, begins: 2, eased: 2 } }, us: WELL };
    const { code, out } = await plan();
    expect([code, out.split('\n', 1)[0]?.split('. ').slice(2)]).toEqual([
      0,
      ['Nothing that runs in the 2 clusters that answered gets worse', '2 owners refused now would stay pending instead.'],
    ]);
  });

  it('waits for its turn at a hub that makes as many plans of its caller as it may, and reports it', async () => {
    const turn = Promise.withResolvers<ClusterPreview>();
    const asked = Promise.withResolvers<void>();
    const preview = (): Promise<ClusterPreview> => {
      asked.resolve();
      return turn.promise;
    };
    await using busy = await startFilledApi({ agents: { preview } });
    const body = JSON.stringify({ files: Object.fromEntries(FILES.map(({ path, text }) => [path, text])), withoutRegions: ['eu-west-1'] });
    const send = () => fetch(`${busy.url}/api/v1/plans`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    // One is made, and four wait: none of these is answered before the one that is too many.
    const sent = Array.from({ length: 6 }, send);
    expect((await Promise.race(sent)).status).toBe(429);
    await asked.promise;
    const waiting = runFso(['plan', '--dir', root], { FSO_SERVER: busy.url }, (err) => {
      if (err.includes('Asking again in 5 s.')) turn.resolve(WELL);
    });
    expect(await waiting).toMatchObject({ code: 0, err: expect.stringContaining(`The hub at ${busy.url}: Too many requests`) });
    expect((await Promise.all(sent)).map(({ status }) => status).toSorted()).toEqual([...Array(5).fill(200), 429]);
  });

  it.each([
    ['an hour', '3600', 1],
    ['no time', undefined, 1],
    ['a moment, five times', '0', 5],
  ])('gives up at a hub that is to be asked again after %s', async (_what, retryAfter, expected) => {
    let calls = 0;
    const busy = createServer((_req, res) => {
      calls += 1;
      const problem = { type: 'urn:x', title: 'Too many requests', status: 429, code: 'too-many-requests', requestId: 'r' };
      const headers = { 'Content-Type': 'application/problem+json', ...(retryAfter !== undefined && { 'Retry-After': retryAfter }) };
      res.writeHead(429, headers).end(JSON.stringify(problem));
    }).listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const { code } = await runFso(['plan', '--dir', root], { FSO_SERVER: `http://127.0.0.1:${(busy.address() as AddressInfo).port}` });
    expect([code, calls]).toEqual([2, expected]);
    busy.close();
  });

  it('does not call it fine where no cluster has the namespace', async () => {
    answers = Object.fromEntries(['eu', 'us'].map((name) => [name, { ...WELL, lookedAt: { namespaces: 0, owners: 0, pods: 0 } }]));
    const { code, out } = await plan();
    expect([code, out]).toEqual([1, expect.stringContaining('Nothing that runs was looked at')]);
    expect((await plan('--allow-missing')).code).toBe(0);
  });

  it('compares commits without the hub when asked to, and only then takes a base', async () => {
    execFileSync('git', ['init', '--quiet', '--initial-branch', 'main', root], { stdio: 'pipe' });
    execFileSync('git', ['-C', root, 'add', '--all'], { stdio: 'pipe' });
    execFileSync('git', ['-C', root, '-c', 'user.name=Ana', '-c', 'user.email=ana@example.org', 'commit', '--quiet', '-m', 'now'], {
      stdio: 'pipe',
    });
    expect(await plan('--base', 'main')).toMatchObject({ code: 2, err: expect.stringContaining('--base is for comparing without a hub') });
    expect(await plan('--base', 'main', '--offline')).toMatchObject({ code: 0, out: 'Nothing changes.\n' });
    const json = Plan.parse(JSON.parse((await plan('--ref', 'main', '-o', 'json')).out));
    expect(json.after).toMatchObject({ source: 'main', revision: expect.stringMatching(/^[0-9a-f]{40}$/) });
  });

  it('explains why the hub makes no plan', async () => {
    expect(await plan('--cluster', 'moon')).toMatchObject({ code: 2, err: expect.stringContaining('clusters: there is no moon') });
    const older = createServer((_req, res) => {
      const problem = { type: 'urn:x', title: 'Not found', status: 404, code: 'not-found', requestId: 'r' };
      res.writeHead(404, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(problem));
    }).listen(0, '127.0.0.1');
    await once(older, 'listening');
    const url = `http://127.0.0.1:${(older.address() as AddressInfo).port}`;
    const { code, err } = await runFso(['plan', '--dir', root], { FSO_SERVER: url });
    expect([code, err]).toEqual([2, expect.stringContaining(`the hub at ${url} makes no plans, as it is older`)]);
    older.close();
  });

  it('names the role that is missing', async () => {
    await using locked = await startFilledApi({ apiToken: 'static-token-0123456789' });
    expect(await fso(locked, 'plan', '--dir', root)).toMatchObject({ code: 2, err: expect.stringContaining('needs a valid token') });
  });
});
