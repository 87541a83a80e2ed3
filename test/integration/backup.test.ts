import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { type Outcome, runFso } from '../../hub/cli/testing/run-fso.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { policyFile } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { eventually } from '../harness/waiting.ts';

const API_TOKEN = 'static-token-0123456789';

/** Backups of a running hub, whose volume nobody else can mount, and restores without one. */
describe.each(['embedded', 'postgres'])('a ledger that is %s', (kind) => {
  const opened = new AsyncDisposableStack();
  let folder: string;
  let hub: HubProcess;
  let ledger: Record<string, string>;
  let newDatabase: () => Promise<string>;

  const fso = (...args: string[]): Promise<Outcome> => runFso(args, { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN });
  const backups = async (): Promise<string[]> => (await readdir(join(folder, 'backups'))).toSorted();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-backup-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    if (kind === 'postgres') {
      const server = await startPostgres();
      opened.defer(() => server.stop());
      newDatabase = () => server.createDatabase();
    }
    ledger = kind === 'postgres' ? { DATABASE_URL: await newDatabase() } : { FSO_DATA_DIR: join(folder, 'hub', 'data') };
    const git = await startGitServer({ root: join(folder, 'repositories') });
    opened.defer(() => git.stop());
    await git.create('policies.git');
    const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
    await repository.commit({ 'policies/finance.yaml': policyFile('finance') }, 'first');
    hub = await createHubProcess({
      name: 'hub',
      folder: join(folder, 'hub'),
      gitUrl: git.url('policies.git'),
      tokens: new Map([['eu', 'token-of-eu-0123456789']]),
      env: { ...ledger, FSO_API_TOKEN: API_TOKEN },
    });
    opened.defer(() => hub.stop());
    await hub.start();
    await eventually(async () => (await fetch(`${hub.url}/readyz`)).ok);
    // A backup is signed by the key of the newest checkpoint.
    await eventually(signed);
  });
  afterAll(() => opened.disposeAsync());

  const signed = async (): Promise<boolean> => {
    const headers = { authorization: `Bearer ${API_TOKEN}` };
    const proofs = (await (await fetch(`${hub.url}/api/v1/audit/proofs`, { headers })).json()) as { checkpoints: unknown[] };
    return proofs.checkpoints.length > 0;
  };

  it('is for administrators, and leaves a trace', async () => {
    const { out } = await fso('tokens', 'create', 'ci', '--role', 'operator', '-o', 'json');
    const { token } = JSON.parse(out) as { token: string };
    const refused = await runFso(['backup', '--from-hub', join(folder, 'stolen')], { FSO_SERVER: hub.url, FSO_TOKEN: token });
    expect([refused.code, await readdir(folder)]).toEqual([2, expect.not.arrayContaining(['stolen'])]);
    expect((await fso('backup', '--from-hub', join(folder, 'ledger.gz'))).code).toBe(0);
    expect((await fso('audit', 'list', '--action', 'api.backup-ledger')).out).toContain('api.backup-ledger');
  });

  it('is written under the name of the moment, and the newest are kept', async () => {
    const target = join(folder, 'backups');
    for (let count = 1; count <= 3; count += 1) {
      const { code, out } = await fso('backup', '--from-hub', '--keep', '2', target);
      expect([code, out]).toEqual([0, expect.stringMatching(/ledger-\d{8}T\d{9}Z\.jsonl\.gz: .*\nsha256 [0-9a-f]{64}\n/)]);
    }
    await writeFile(join(target, 'notes.txt'), 'mine');
    const kept = await backups();
    expect(kept).toEqual([expect.stringMatching(/^ledger-/), expect.stringMatching(/^ledger-/), 'notes.txt']);
    // As a backup leaves it that was killed.
    await writeFile(join(target, `ledger-20200101T000000000Z.jsonl.gz.${crypto.randomUUID()}.partial`), 'half');
    expect((await fso('backup', '--from-hub', '--keep', '1', target)).out).toContain(`removed ${kept[1]}`);
    expect(await backups()).toEqual([expect.stringMatching(/^ledger-/), 'notes.txt']);
  });

  it('is restored once no hub has it open, and is what it was', async () => {
    const file = join(folder, 'newest.gz');
    const history = async (): Promise<string> => (await fso('audit', 'export')).out;
    const before = await history();
    expect((await fso('backup', '--from-hub', file)).code).toBe(0);
    if (kind === 'embedded')
      expect(await runFso(['restore', '--replace', file], ledger)).toMatchObject({ code: 2, err: expect.stringContaining('another hub') });
    await hub.stop();
    const files = await readdir(join(folder, 'hub/data'));
    expect((await runFso(['restore', '--replace', join(folder, 'mistyped.gz')], ledger)).code).toBe(2);
    expect(await readdir(join(folder, 'hub/data'))).toEqual(files);
    if (kind === 'postgres')
      expect(await runFso(['restore', '--replace', file], ledger)).toMatchObject({ err: expect.stringContaining('new, empty database') });
    const target = kind === 'postgres' ? { DATABASE_URL: await newDatabase() } : ledger;
    // As a lost disk may leave it.
    if (kind === 'embedded') await writeFile(join(folder, 'hub/data/ledger/ledger.db'), 'no database'.repeat(1000));
    const restored = await runFso(['restore', ...(kind === 'embedded' ? ['--replace'] : []), file], target);
    expect([restored.code, restored.out]).toEqual([0, expect.stringContaining('the audit log is intact')]);
    expect(restored.out).not.toContain('not signed');
    hub = await createHubProcess({
      name: 'hub-again',
      folder: join(folder, 'hub'),
      gitUrl: 'http://127.0.0.1:1/policies.git',
      tokens: new Map([['eu', 'token-of-eu-0123456789']]),
      env: { ...target, FSO_API_TOKEN: API_TOKEN },
    });
    await hub.start();
    expect((await history()).startsWith(before)).toBe(true);
    const { out } = await fso('audit', 'list', '--action', 'ledger.restore');
    expect(out).toContain('ledger.restore');
    expect(await readFile(join(folder, 'hub', 'hub-again.log'), 'utf8')).not.toContain('"level":"fatal"');
  });
});
