import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invite } from '../identity/enrolment-state.ts';
import { createAuditKey, loadAuditKey, openLedger } from '../ledger/index.ts';
import { fixedClock } from '../ledger/testing/ledger.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../serve/testing/api-harness.ts';
import { policyReport, REVISION, report, TIME } from '../serve/testing/fleet.ts';
import { runFso } from './testing/run-fso.ts';

const key = createAuditKey();
const LEDGER = { history: { days: 400, events: 1_000_000 }, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) };
const TOKEN = { cluster: 'old', digest: 'a'.repeat(64), created: new Date(TIME), expires: new Date(TIME) };
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-audit-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const started = async (): Promise<ApiHarness> => {
  const server = await startApiHarness({}, { windowMs: 5 }, key.id);
  const { ledger } = server;
  await fillLedger(ledger);
  const actor = { kind: 'user' as const, id: '=cmd|calc', roles: ['admin'] };
  await ledger.audit.append({ actor, from: '10.0.0.7', action: 'token.create', subject: 'ci, "main"', detail: { n: 1 } });
  await ledger.audit.addCheckpoint(key.sign({ ...(await ledger.audit.head()), time: TIME }));
  return server;
};
const fso = (server: ApiHarness, ...args: string[]) => runFso(args, { FSO_SERVER: server.url });

describe('fso audit', () => {
  it('lists the newest entries first, with filters', async () => {
    await using server = await started();
    const { out } = await fso(server, 'audit', 'list');
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(2));
    expect(rows).toEqual([
      ['ACTOR', 'ACTION', 'SUBJECT'],
      ['user:=cmd|calc', 'token.create', 'ci, "main"'],
      ['agent:us', 'cluster.connect', 'us'],
      ['agent:eu', 'cluster.connect', 'eu'],
      ['hub:hub', 'desired.set', REVISION],
      ['git:Ada', 'revision.accept', REVISION],
    ]);
    const { out: json } = await fso(server, 'audit', 'list', '--action', 'cluster.connect', '--limit', '1', '-o', 'json');
    expect(JSON.parse(json)).toMatchObject([{ sequence: 4, subject: 'us' }]);
  });

  it('exports it as JSON Lines, which can be verified, as CSV and as OCSF', async () => {
    await using server = await started();
    const { out: lines } = await fso(server, 'audit', 'export');
    const file = join(folder, 'audit.jsonl');
    await writeFile(file, lines);
    expect((await runFso(['audit', 'verify', file])).code).toBe(0);
    await writeFile(file, lines.replace('"subject":"us"', '"subject":"eu"'));
    const changed = await runFso(['audit', 'verify', file]);
    expect([changed.code, changed.out]).toEqual([1, expect.stringContaining('entry 4 was changed')]);
    await writeFile(file, 'hello\n');
    expect(await runFso(['audit', 'verify', file])).toMatchObject({ code: 1, err: expect.stringContaining('audit.jsonl:1: is no entry') });

    const { out: csv } = await fso(server, 'audit', 'export', '--format', 'csv', '--after', '4');
    const [head, row, end] = csv.split('\r\n');
    expect(head).toBe('sequence,time,actorKind,actorId,actorRoles,from,action,subject,detail,previous,hash');
    expect(row).toMatch(
      /^5,[^,]+,user,'=cmd\|calc,admin,10\.0\.0\.7,token\.create,"ci, ""main""","\{""n"":1\}",[0-9a-f]{64},[0-9a-f]{64}$/,
    );
    expect(end).toBe('');

    const { out: ocsf } = await fso(server, 'audit', 'export', '--format', 'ocsf', '--after', '4');
    expect(JSON.parse(ocsf)).toMatchObject({
      class_uid: 6003,
      category_uid: 6,
      activity_id: 1,
      type_uid: 600301,
      severity_id: 1,
      status_id: 1,
      metadata: { version: '1.3.0', sequence: 5, uid: expect.stringMatching(/^[0-9a-f]{64}$/) },
      actor: { user: { uid: '=cmd|calc', type: 'user', groups: [{ name: 'admin' }] } },
      api: { operation: 'token.create', service: { name: 'fso-hub' } },
      src_endpoint: { ip: '10.0.0.7' },
      resources: [{ name: 'ci, "main"' }],
    });
  });

  it("verifies the hub's statement by its checkpoints and those of agents", async () => {
    await using server = await started();
    const intact = await fso(server, 'audit', 'verify');
    expect([intact.code, intact.out]).toEqual([0, expect.stringMatching(/Entries: +5\n[\s\S]*Checkpoints: +1\n[\s\S]*intact/)]);
    const stranger = await fso(server, 'audit', 'verify', '--key', createAuditKey().id);
    expect([stranger.code, stranger.out]).toEqual([1, expect.stringContaining('signed by another key')]);
    await server.ledger.audit.addWitness('eu', key.sign({ sequence: 9, hash: 'a'.repeat(64), time: TIME }));
    const cut = await fso(server, 'audit', 'verify', '-o', 'json');
    expect(cut.code).toBe(1);
    expect(JSON.parse(cut.out)).toMatchObject({
      ok: false,
      witnesses: 1,
      problems: [{ sequence: 9, message: expect.stringContaining('that the agent of eu keeps is beyond the end of the log') }],
    });
  });
});

describe('fso backup and restore', () => {
  it('work on a data folder without a hub, and report problems in words', async () => {
    const file = join(folder, 'ledger.gz');
    const at = (name: string) => ({ FSO_DATA_DIR: join(folder, name) });
    expect(await runFso(['backup', file], at('one'))).toMatchObject({ code: 2, err: expect.stringContaining('there is no ledger') });
    await (await openLedger({ database: { folder: join(folder, 'one', 'ledger') }, ...LEDGER }, new AbortController().signal)).close();
    expect(await runFso(['backup', file], at('one'))).toMatchObject({ code: 0, out: expect.stringContaining('0 audit entries') });
    expect(await runFso(['restore', file], at('two'))).toMatchObject({ code: 0, out: expect.stringContaining('intact') });
    expect(await runFso(['restore', file], at('two'))).toMatchObject({ code: 2, err: expect.stringContaining('not empty') });
    expect(await runFso(['backup', file], at('one'))).toMatchObject({ code: 2, err: expect.stringContaining('--force') });
    expect(await runFso(['backup', file, '--force'], at('one'))).toMatchObject({ code: 0 });
    const lines = gunzipSync(await readFile(file))
      .toString('utf8')
      .trimEnd()
      .split('\n');
    const forged = { ...JSON.parse(lines.pop() ?? ''), signature: 'of another key' };
    await writeFile(file, gzipSync([...lines, JSON.stringify(forged), ''].join('\n')));
    const before = await readdir(join(folder, 'two'));
    const refused = await runFso(['restore', '--replace', file], at('two'));
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('not signed by the key') });
    expect(await readdir(join(folder, 'two'))).toEqual(before);
    expect(await runFso(['backup', file, '--force'], at('two'))).toMatchObject({ code: 0, out: expect.stringContaining('1 audit entr') });
    const away = { DATABASE_URL: 'postgresql://fso:hunter2-hunter2@127.0.0.1:9/fso' };
    const unreachable = await runFso(['backup', '--force', file], away);
    expect(unreachable).toMatchObject({ code: 2, err: expect.stringContaining('ECONNREFUSED') });
    expect(unreachable.err).not.toContain('hunter2');
    const wrong = await runFso(['backup', file], { DATABASE_URL: 'mysql://fso:hunter2-hunter2@127.0.0.1/fso' });
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('DATABASE_URL: must be a postgresql:// URL') });
    expect(wrong.err).not.toContain('hunter2');
  });
});

describe('fso backup --from-hub', () => {
  it('leaves nothing of a backup that the hub ends early, and points to its log', async () => {
    const apiToken = 'static-token-0123456789';
    const backup = async (target: Writable): Promise<void> => {
      // More than the hub keeps back: its reader has the beginning.
      await new Promise((resolve) => target.write(Buffer.alloc(1024 * 1024), resolve));
      throw new Error('the database is gone');
    };
    await using server = await startApiHarness({ apiToken, backup });
    const target = join(folder, 'from-hub');
    const ended = await runFso(['backup', '--from-hub', '--keep', '2', target], { FSO_SERVER: server.url, FSO_TOKEN: apiToken });
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('its log says why') });
    expect(await readdir(target)).toEqual([]);
  });
});

describe('fso ledger forget', () => {
  const at = (name: string) => ({ FSO_DATA_DIR: join(folder, name) });
  const open = (name: string) =>
    openLedger({ database: { folder: join(folder, name, 'ledger') }, ...LEDGER }, new AbortController().signal);

  it('removes a cluster from a data folder that no hub has open, ends its enrolment, and signs the audit log', async () => {
    const key = await loadAuditKey(join(folder, 'three', 'audit-key.pem'));
    const ledger = await open('three');
    await ledger.setConnected('old', true);
    await ledger.applyReport('old', report({ policies: [policyReport('finance', { phase: 'Failed' }), policyReport('hr')] }));
    await ledger.records.update('enrolment', 'old', () => invite(undefined, TOKEN));
    await ledger.audit.addCheckpoint(key.sign({ ...(await ledger.audit.head()), time: TIME }));
    const forget = (...args: string[]) => runFso(['ledger', 'forget', ...args], at('three'));
    expect(await forget('old', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('another hub has the ledger') });
    await ledger.close();
    expect(await forget('old')).toMatchObject({ code: 2, err: expect.stringContaining('Repeat with --yes') });
    expect(await forget('new', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('knows no cluster new') });
    expect(await forget('old', '--yes')).toEqual({ code: 0, out: 'old is forgotten.\n', err: '' });
    expect((await forget('old', '--yes')).code).toBe(2);
    const next = await open('three');
    expect(await next.cluster('old')).toBeNull();
    expect(next.records.get('enrolment', 'old')).toMatchObject({ state: 'forgotten', tokens: [] });
    const [entry] = await next.audit.list({ limit: 1 });
    expect(entry).toMatchObject({ action: 'ledger.forget', subject: 'old', actor: { kind: 'operator' } });
    expect(await next.audit.lastCheckpoint()).toMatchObject({ sequence: entry?.sequence, key: key.id });
    expect(await next.audit.verify()).toMatchObject({ ok: true });
    await next.applyReport('old', report({ policies: [policyReport('hr')] }));
    expect([...((await next.cluster('old'))?.policies.keys() ?? [])]).toEqual(['hr']);
    await next.close();
  });

  it('reports a missing key of the hub, and leaves the signature to the next hub', async () => {
    const ledger = await open('four');
    await ledger.setConnected('old', true);
    await ledger.audit.addCheckpoint(key.sign({ ...(await ledger.audit.head()), time: TIME }));
    await ledger.close();
    const { out, code } = await runFso(['ledger', 'forget', 'old', '--yes'], at('four'));
    expect([code, out]).toEqual([0, expect.stringContaining('the next hub signs the audit log')]);
  });
});
