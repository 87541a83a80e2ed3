import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import type { TrustConfig } from '@fso/shared/trust';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { accepted, type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { waitFor } from '../harness/waiting.ts';
import { mapUnhashed, readBlock, writeBlock } from './openpgp-surgery.ts';
import { type GpgHome, openSigningBench, type SigningBench, type SshKey, withSignature } from './signing-bench.ts';

const ISSUER_KEY_ID = 16;

let keys: SigningBench;
let gpg: GpgHome;
let [ana, bob, eve]: SshKey[] = [];
let pgp: Record<'ana' | 'eve', string>;
let folder: string;
let bench: HubHarness;

beforeAll(async () => {
  keys = openSigningBench();
  gpg = keys.gpgHome('gpg');
  [ana, bob, eve] = ['ana', 'bob', 'eve'].map((name) => keys.sshKey(name, '-t', 'ed25519'));
  pgp = { ana: gpg.generate('ana', 'ed25519'), eve: gpg.generate('eve', 'ed25519') };
  folder = await mkdtemp(join(tmpdir(), 'fso-trust-'));
});
afterAll(async () => {
  keys.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  bench = await openHubHarness();
});
afterEach(() => bench.close());

const lineOf = (key: SshKey | undefined): string => `signer ${key?.line ?? ''}\n`;
const trusting = (mode: 'strict' | 'warn' = 'strict'): TrustConfig => ({
  mode,
  signers: parseSigners({ allowedSigners: lineOf(ana), keyring: gpg.export(pgp.ana) }),
});

const signAs = (key: SshKey | undefined): Promise<void> => bench.repository.signAs(key);
const pushForced = async (revision: string): Promise<void> => {
  await bench.repository.git('push', '--quiet', '--force', 'origin', `${revision}:main`);
};
/** Stores a raw commit object, and sets the branch to it. */
const pushRaw = async (raw: string): Promise<string> => {
  const { repository } = bench;
  const path = join(folder, 'object');
  await writeFile(path, raw);
  const id = await repository.git('hash-object', '-t', 'commit', '-w', path);
  await repository.git('reset', '--quiet', '--hard', id);
  await pushForced(id);
  return id;
};
/** The commit of the branch, created again with another signature. */
const resigned = async (change: (payload: Buffer) => string): Promise<string> => {
  const payload = `${await bench.repository.git('cat-file', 'commit', 'HEAD')}\n`;
  return pushRaw(withSignature(payload, change(Buffer.from(payload))));
};

/** A hub with a good commit, and its verdict on the next one. */
const follow = async (mode: 'strict' | 'warn' = 'strict') => {
  await signAs(ana);
  const good = await bench.repository.commit(basicRepository(), 'good');
  const hub = await bench.startHub({ gitConfig: { trust: trusting(mode) } });
  expect((await accepted(hub, good)).verification).toMatchObject({ state: 'verified', signer: expect.stringContaining('signer (SHA256:') });
  return { hub, good };
};
const refusal = async (hub: RunningHub, good: string, revision: string): Promise<string | undefined> => {
  hub.source.hint();
  const state = await waitFor(() => {
    const now = hub.source.state();
    expect(now.rejected?.commit.revision).toBe(revision);
    return now;
  });
  expect(state.revision?.revision).toBe(good);
  await expect
    .poll(async () =>
      (await hub.ledger.events({ limit: 100 })).filter((event) => event.revision === revision && event.severity === 'alert'),
    )
    .toMatchObject([{ reason: 'CommitRejected', message: expect.stringContaining(`${state.rejected?.problems[0]?.code}: `) }]);
  return state.rejected?.problems[0]?.code;
};
const change = { 'policies/hr.yaml': policyFile('hr') };

describe('a repository with an attacker who can write', () => {
  it('is refused without a signature, and with one by a stranger', async () => {
    const { hub, good } = await follow();
    await signAs(undefined);
    expect(await refusal(hub, good, await bench.repository.commit(change, 'unsigned'))).toBe('unsigned');
    await signAs(eve);
    await bench.repository.git('reset', '--quiet', '--hard', good);
    await pushForced(good);
    await accepted(hub, good);
    const stranger = await bench.repository.git('commit-tree', '-S', '-p', good, '-m', 'stranger', 'HEAD^{tree}');
    await pushForced(stranger);
    expect(await refusal(hub, good, stranger)).toBe('signer-unknown');
  });

  it('continues with the next good commit on top of a refused one', async () => {
    const { hub, good } = await follow();
    await signAs(undefined);
    expect(await refusal(hub, good, await bench.repository.commit(change, 'unsigned'))).toBe('unsigned');
    await signAs(ana);
    const next = await bench.repository.commit({ 'policies/x.yaml': policyFile('x') }, 'vouches for both');
    hub.source.hint();
    expect((await accepted(hub, next)).rejected).toBeNull();
  });

  it('cannot change signed content', async () => {
    const { hub, good } = await follow();
    await bench.repository.commit(change, 'signed');
    const raw = await bench.repository.git('cat-file', 'commit', 'HEAD');
    const forged = await pushRaw(`${raw.replace('signed', 'forged')}\n`);
    expect(await refusal(hub, good, forged)).toBe('signature-invalid');
  });

  it('cannot attribute a signature to another OpenPGP key', async () => {
    const { hub, good } = await follow();
    await signAs(undefined);
    await bench.repository.commit(change, 'masked');
    const masked = await resigned((payload) => {
      const packets = readBlock(gpg.sign(pgp.eve)(payload)).map((packet) =>
        mapUnhashed(packet, (part) => (part.type === ISSUER_KEY_ID ? { ...part, body: Buffer.from(pgp.ana.slice(-16), 'hex') } : true)),
      );
      return writeBlock('SIGNATURE', packets);
    });
    expect(await refusal(hub, good, masked)).toBe('signer-unknown');
  });

  it('accepts OpenPGP signatures too', async () => {
    const { hub } = await follow();
    await signAs(undefined);
    await bench.repository.commit(change, 'by OpenPGP');
    const id = await resigned(gpg.sign(pgp.ana));
    hub.source.hint();
    expect((await accepted(hub, id)).verification?.signer).toContain(pgp.ana);
  });

  it('cannot go back, nor start a new history, even after a restart of the hub', async () => {
    const { hub, good } = await follow();
    const newer = await bench.repository.commit(change, 'newer');
    hub.source.hint();
    await accepted(hub, newer);
    await pushForced(good);
    expect(await refusal(hub, newer, good)).toBe('not-a-descendant');
    await bench.repository.git('checkout', '--quiet', '--orphan', 'other');
    await bench.repository.git('commit', '--quiet', '--message', 'signed, but without the past');
    const other = await bench.repository.git('rev-parse', 'HEAD');
    await pushForced(other);
    expect(await refusal(hub, newer, other)).toBe('not-a-descendant');
    await hub.stop();
    const again = await bench.startHub({ gitConfig: { trust: trusting() } });
    expect(await refusal(again, newer, other)).toBe('not-a-descendant');
    await pushForced(newer);
    again.source.hint();
    await waitFor(() => expect(again.source.state()).toMatchObject({ rejected: null, revision: { revision: newer } }));
  });

  it('changes its signers only by a commit with an old key', async () => {
    const { hub } = await follow();
    const signers = (key: SshKey | undefined) => ({ 'signers/allowed_signers': lineOf(key) });
    const first = await bench.repository.commit(signers(ana), 'signers');
    hub.source.hint();
    await accepted(hub, first);
    await signAs(eve);
    const seized = await bench.repository.commit(signers(eve), 'seized');
    expect(await refusal(hub, first, seized)).toBe('signer-unknown');
    await bench.repository.git('reset', '--quiet', '--hard', first);
    await signAs(ana);
    await bench.repository.git('rm', '--quiet', '-r', 'signers');
    await bench.repository.git('commit', '--quiet', '--message', 'nobody signs');
    const unsigned = await bench.repository.git('rev-parse', 'HEAD');
    await pushForced(unsigned);
    expect(await refusal(hub, first, unsigned)).toBe('signers-removed');
    await bench.repository.git('reset', '--quiet', '--hard', first);
    await pushForced(first);
    const handover = await bench.repository.commit(signers(bob), 'handover');
    const late = await bench.repository.commit(change, 'late');
    expect(await refusal(hub, first, late)).toBe('signer-unknown');
    await bench.repository.git('reset', '--quiet', '--hard', handover);
    await pushForced(handover);
    await signAs(bob);
    const next = await bench.repository.commit(change, 'by the successor');
    hub.source.hint();
    await accepted(hub, next);
    await hub.stop();
    const again = await bench.startHub({ gitConfig: { trust: trusting() } });
    expect((await accepted(again, next)).verification?.state).toBe('verified');
    await signAs(ana);
    expect(await refusal(again, next, await bench.repository.commit({ 'policies/y.yaml': policyFile('y') }, 'by the old one'))).toBe(
      'signer-unknown',
    );
  });

  it('is accepted once the time of its commit has come', async () => {
    const { good } = await follow();
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) };
    const hub = await bench.startHub({
      config: { dataDir: join(folder, 'ahead') },
      gitConfig: { trust: trusting(), pollMs: 100 },
      deps: { clock },
    });
    await accepted(hub, good);
    const tree = await bench.repository.git('rev-parse', 'HEAD^{tree}');
    const payload = (await bench.repository.git('cat-file', 'commit', 'HEAD'))
      .replace(/\ngpgsig (.*\n )*.*\n/, '\n')
      .replace(/^tree .*$/m, `tree ${tree}\nparent ${good}`)
      .replace(/^(author|committer) (.*) \d+ /gm, (_all, role, who) => `${role} ${who} ${Math.floor(Date.now() / 1000) + 3600} `);
    const id = await pushRaw(withSignature(`${payload}\n`, keys.signSsh(ana as SshKey)(Buffer.from(`${payload}\n`))));
    expect(await refusal(hub, good, id)).toBe('commit-in-future');
    aheadMs = 3_600_000;
    expect((await accepted(hub, id)).rejected).toBeNull();
  });

  it('is followed with FSO_VERIFY=warn, and reported as untrusted', async () => {
    const { hub } = await follow('warn');
    await signAs(undefined);
    const unsigned = await bench.repository.commit(change, 'unsigned');
    hub.source.hint();
    expect((await accepted(hub, unsigned)).verification).toMatchObject({ state: 'failed', reason: expect.stringContaining('unsigned: ') });
    const events = async () => (await hub.ledger.events({ limit: 100 })).filter(({ revision }) => revision === unsigned);
    await expect
      .poll(async () => (await events()).map(({ reason }) => reason).toSorted())
      .toEqual(['RevisionAccepted', 'RevisionNotTrusted']);
  });

  it('is checked again when signers are configured for a commit that was accepted without', async () => {
    await signAs(undefined);
    const unsigned = await bench.repository.commit(basicRepository(), 'unsigned');
    const open = await bench.startHub();
    expect((await accepted(open, unsigned)).verification).toEqual({ state: 'unverified' });
    await open.stop();
    const hub = await bench.startHub({ gitConfig: { trust: trusting() } });
    await waitFor(() => expect(hub.source.state().rejected?.problems[0]?.code).toBe('unsigned'));
    expect(hub.source.state().revision).toBeNull();
    await signAs(ana);
    const signed = await bench.repository.commit(change, 'signed');
    hub.source.hint();
    await accepted(hub, signed);
  });
});
