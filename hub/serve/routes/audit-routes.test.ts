import { AuditPage, AuditVerificationView, type ProblemDetails } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { createAuditKey } from '../../ledger/index.ts';
import { fillLedger, startApiHarness } from '../testing/api-harness.ts';
import { REVISION, TIME } from '../testing/fleet.ts';

const key = createAuditKey();
const started = async () => {
  const clock = new FakeClock(new Date(TIME));
  const server = await startApiHarness({ clock }, {}, key.id);
  await fillLedger(server.ledger);
  const add = (action: string, subject: string, detail = {}) =>
    server.ledger.audit.append({ actor: { kind: 'user', id: 'ada', roles: ['admin'] }, from: '10.0.0.1', action, subject, detail });
  await clock.advance(60_000);
  await add('policies.change', REVISION, {
    added: ['finance'],
    changed: [],
    removed: ['old'],
  });
  const read = (path: string) => fetch(`${server.url}/api/v1/audit${path}`);
  return { ...server, clock, add, read, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

describe('the audit log', () => {
  it.each([
    ['cluster=eu', ['cluster.connect']],
    ['policy=old', ['policies.change']],
    ['policy=none', []],
    // Names of policies are no different from those of clusters.
    ['policy=eu', []],
    ['actor=ada', ['policies.change']],
    ['since=2026-01-03T10:30:30Z', ['policies.change']],
    ['until=2026-01-03T12:30:30%2B02:00&action=desired.set', ['desired.set']],
    ['since=2026-01-03T10:30:00Z&order=asc&limit=2', ['revision.accept', 'desired.set']],
  ])('filter: %s', async (query, actions) => {
    await using server = await started();
    const { items } = AuditPage.parse(await (await server.read(`?${query}`)).json());
    expect(items.map(({ action }) => action)).toEqual(actions);
  });

  it.each([
    ['asc', [0, 1, 2, 3, 4]],
    ['desc', [4, 3, 2, 1, 0]],
  ])('continues through filtered pages: %s', async (order, numbers) => {
    await using server = await started();
    for (let n = 0; n < 5; n += 1) await server.add('token.create', `ci-${n}`);
    const subjects: string[] = [];
    let more: string | null = '';
    while (more !== null) {
      const answer = await server.read(`?action=token.create&order=${order}&limit=2${more}`);
      const page = AuditPage.parse(await answer.json());
      subjects.push(...page.items.map(({ subject }) => subject));
      more = page.next && `&cursor=${page.next}`;
    }
    expect(subjects).toEqual(numbers.map((n) => `ci-${n}`));
  });

  it('counts the filtered entries, and continues only in its first order', async () => {
    await using server = await started();
    for (let n = 0; n < 3; n += 1) await server.add('token.create', `ci-${n}`);
    const read = async (query: string) => AuditPage.parse(await (await server.read(query)).json());
    expect([(await read('?limit=1')).total, (await read('?limit=1&action=token.create')).total]).toEqual([8, 3]);
    for (const [order, other] of [
      ['asc', 'desc'],
      ['desc', 'asc'],
    ]) {
      const { next } = await read(`?order=${order}&limit=2`);
      expect((await server.read(`?order=${other}&limit=2&cursor=${next}`)).status).toBe(400);
    }
  });

  it('gives one entry, wherever it is', async () => {
    await using server = await started();
    const { items } = AuditPage.parse(await (await server.read('?order=asc')).json());
    expect(await (await server.read('/entries/2')).json()).toEqual(items[1]);
    const answers = await Promise.all(['/entries/999', '/entries/0', '/entries/x'].map(server.read));
    expect(answers.map(({ status }) => status)).toEqual([404, 400, 400]);
  });

  it.each(['since=yesterday', 'cluster=No%20Name', 'color=red'])('refuses %s', async (query) => {
    await using server = await started();
    for (const path of ['', '/export']) {
      const answer = await server.read(`${path}?${query}`);
      expect([answer.status, ((await answer.json()) as ProblemDetails).detail]).toEqual([400, expect.stringContaining('query parameter')]);
    }
  });

  it('is exported as a file, whole or filtered', async () => {
    await using server = await started();
    const whole = await server.read('/export');
    expect(whole.headers.get('content-disposition')).toBe('attachment; filename=audit.jsonl');
    expect(whole.headers.get('content-type')).toMatch(/^application\/jsonl/);
    const lines = (await whole.text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { sequence: number }).sequence)).toEqual([1, 2, 3, 4, 5]);
    const csv = await server.read('/export?format=csv&policy=finance');
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    expect((await csv.text()).split('\r\n').map((line) => line.split(',')[0])).toEqual(['sequence', '5', '']);
  });

  it('is verified once for concurrent callers, and again after a write or some time', async () => {
    await using server = await started();
    let reads = 0;
    const { audit } = server.ledger;
    const search = audit.search.bind(audit);
    audit.search = (asked) => {
      reads += asked.from === 0 ? 1 : 0;
      return search(asked);
    };
    const verify = async () => AuditVerificationView.parse(await (await server.read('/verification')).json());
    const [one, other] = await Promise.all([verify(), verify()]);
    expect(one).toEqual(other);
    expect([one, reads]).toEqual([
      expect.objectContaining({ ok: true, entries: 5, problems: [], checkedAt: '2026-01-03T10:31:00.000Z' }),
      1,
    ]);
    await server.clock.advance(60_000);
    expect([await verify(), reads]).toEqual([one, 1]);
    await server.add('token.create', 'ci');
    await audit.addWitness('eu', key.sign({ sequence: 9, hash: 'a'.repeat(64), time: TIME }));
    expect([await verify(), reads]).toEqual([expect.objectContaining({ ok: false, entries: 6, witnesses: 1 }), 2]);
    await server.clock.advance(600_000);
    await verify();
    expect(reads).toBe(3);
  });
});
