import { MAX_PLAN_BYTES, Plan } from '@fso/shared/effects';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiHarness, startApiHarness } from '../../testing/api-harness.ts';
import { FILES, REVISION } from '../../testing/fleet.ts';
import { problem, started } from '../../testing/requests.ts';

const SECRET = 'planted-secret-7d1f';
const files = (change: Readonly<Record<string, string>> = {}) => ({
  ...Object.fromEntries(FILES.map(({ path, text }) => [path, text])),
  ...change,
});
const tight = files({
  'policies/finance.yaml': `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: finance}\nspec: {targetNamespace: finance, allowedRegions: [eu-west-1], description: ${SECRET}}\n`,
});

describe('plans of changes', () => {
  let server: ApiHarness;
  const logged: string[] = [];
  const asked: [string, unknown][] = [];
  let held: Promise<void> | undefined;

  beforeAll(async () => {
    server = await started({
      logger: pino({ level: 'trace' }, { write: (line) => void logged.push(line) }),
      agents: {
        preview: async (cluster, question) => {
          asked.push([cluster, JSON.parse(question)]);
          await held;
          if (cluster === 'us') return 'NoAnswer';
          const none = { now: 0, after: 0, begins: 0, ends: 0 };
          const lookedAt = { namespaces: 1, owners: 4, pods: 6 };
          const refused = { now: 0, after: 1, begins: 1, ends: 0 };
          return { state: 'Answered', observedAt: '2026-06-01T00:00:00.000Z', lookedAt, omitted: 0, outside: none, refused, pending: none };
        },
      },
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const post = (body: unknown, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.url}/api/v1/plans`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });

  it('compares files with the commit in force, and asks the clusters whose rules change', async () => {
    const response = await post({ files: tight, at: '2099-01-01T00:00:00+02:00' });
    expect(response.status).toBe(200);
    const plan = Plan.parse(await response.json());
    expect(plan).toMatchObject({
      result: 'Breaks',
      before: { source: 'main', revision: REVISION },
      after: { source: 'files', revision: null, at: '2098-12-31T22:00:00.000Z' },
      effects: [{ clusters: ['eu', 'us'], verdict: 'tightened' }],
      workloads: {
        clusters: [{ cluster: 'eu', lookedAt: { owners: 4 }, refused: { begins: 1 } }],
        notAnswered: [{ clusters: ['us'], reason: 'NoAnswer' }],
      },
    });
    expect(asked).toEqual([
      ['eu', expect.objectContaining({ put: [{ name: 'finance', spec: expect.objectContaining({ description: SECRET }) }] })],
      ['us', expect.objectContaining({ removed: [] })],
    ]);
  });

  it('keeps the digest of a request and counts in the audit log, and its texts nowhere', async () => {
    await post({ files: files({ 'policies/bad.yaml': `kind: ${SECRET}\n` }) });
    const [done, refused] = server.audit.slice(-2);
    expect(done).toMatchObject({
      action: 'createPlan',
      outcome: 'done',
      subject: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      detail: expect.stringMatching(/^Breaks: 1 change; 1 cluster answered, 1 did not; stored as [0-9a-f]{24}$/),
    });
    expect(refused).toMatchObject({ outcome: 'refused', detail: 'not compared: bad-request, 1 problem' });
    const { events } = await server.ledger.searchEvents({ limit: 100 });
    expect(JSON.stringify([server.audit, logged, events])).not.toContain(SECRET);
  });

  it('answers with the problems of files by their place', async () => {
    const response = await post({ files: files({ 'policies/bad.yaml': `kind: ${SECRET}\n` }) });
    expect(response.status).toBe(400);
    const { code, problems } = await problem(response);
    expect([code, problems]).toEqual(['bad-request', [expect.objectContaining({ path: 'policies/bad.yaml', line: 1 })]]);
  });

  it('refuses what is too large', async () => {
    const response = await post('x'.repeat(MAX_PLAN_BYTES + 1));
    expect(await problem(response)).toMatchObject({ status: 413, code: 'too-large' });
  });

  it('makes 20 plans of a caller an hour, not counting bodies that cannot be read', async () => {
    // Without a commit in force no thread compares.
    await using other = await startApiHarness();
    const plan = (headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${other.url}/api/v1/plans`, { method: 'POST', headers, body: '{}' });
    for (let count = 0; count < 21; count += 1) expect((await plan({ 'Content-Encoding': 'unheard-of' })).status).toBe(400);
    for (let count = 0; count < 20; count += 1) expect((await plan()).status).toBe(400);
    const last = await plan();
    expect([last.headers.get('retry-after'), (await problem(last)).code]).toEqual(['180', 'too-many-requests']);
  });

  it('makes one plan of a caller at a time, lets more wait, and refuses one too many', async () => {
    const answers = Promise.withResolvers<void>();
    held = answers.promise;
    const before = asked.length;
    const first = post({ files: tight });
    await expect.poll(() => asked.length).toBe(before + 2);
    const gone = new AbortController();
    const others = Array.from({ length: 5 }, () => post({ files: tight }, { signal: gone.signal }));
    const refused = await Promise.race(others);
    expect([refused.headers.get('retry-after'), (await problem(refused)).code]).toEqual(['5', 'too-many-requests']);
    expect(asked.length).toBe(before + 2);
    answers.resolve();
    expect((await first).status).toBe(200);
    const waited = others.map(async (other) => expect((await other).status).toBe(200));
    await Promise.any(waited);
    gone.abort();
    await Promise.allSettled([...others, ...waited]);
  });
});
