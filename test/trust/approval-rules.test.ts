import type { RolloutStrategySpec } from '@fso/shared/api';
import { approvalTag, revocationTag } from '@fso/shared/rollout';
import { parseSigners, type SignerFiles, verifyCommit } from '@fso/shared/signatures';
import { approvalRuleOf, findMissingApproval } from '@fso/shared/trust';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeObjectRepository, type ObjectRepository } from '../harness/git-objects.ts';
import { type GpgHome, openSigningBench, type SigningBench, type SshKey } from './signing-bench.ts';

/** Tags by git, ssh-keygen and gpg, judged as an agent of wave production does. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let bench: SigningBench;
let repository: ObjectRepository;
let ana: SshKey, anaToo: SshKey, bob: SshKey, bobToo: SshKey, carol: SshKey, dan: SshKey, forge: SshKey;
let home: GpgHome;
/** Fingerprints of OpenPGP primary keys: of Ana, and of Gil. */
let anaPgp: string, gil: string;
let files: SignerFiles;
let revision: string;

/** Arguments of git that sign with a key. */
const sshSettings = ({ file }: SshKey): string[] => ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${file}`];
const pgpSettings = (key: string): string[] => ['-c', `gpg.program=${bench.gpgProgram(home)}`, '-c', `user.signingKey=${key}`];

const commitBy = (...settings: string[]): string => {
  repository.git(...settings, 'commit', '--quiet', '--allow-empty', '--gpg-sign', '--message', 'Change');
  return repository.git('rev-parse', 'HEAD');
};
const tagBy = (settings: readonly string[], name: string, target = revision): Buffer => {
  repository.git(...settings, 'tag', '--force', '--sign', '--message', 'Approve', name, target);
  return Buffer.from(`${repository.git('cat-file', 'tag', name)}\n`);
};
const approve = (key: SshKey, suffix = ''): Buffer => tagBy(sshSettings(key), approvalTag(revision, 'production') + suffix);

const signersFor = (...keys: readonly (readonly [principal: string, key: SshKey])[]): string =>
  keys.map(([principal, { line }]) => `${principal} namespaces="git" ${line}\n`).join('');

const strategy = (): RolloutStrategySpec => ({
  waves: [{ name: 'production', clusterSelector: {}, approval: 'Required' }],
  approvers: ['ana@example.org', 'bob@example.org', 'carol@example.org', anaPgp, gil],
  hostingSigners: ['forge@example.org'],
});

interface Case {
  readonly commit?: string;
  /** Milliseconds after now. */
  readonly later?: number;
  /** The newest signers; default: those of the commit in force. */
  readonly newest?: SignerFiles;
  /** Signers that the commit is judged by; default: as well. */
  readonly signedBy?: SignerFiles;
}

/** @returns number of missing approvals, and the problems of the tags; empty: it is approved */
const judge = async (
  tags: readonly Uint8Array[],
  { commit = revision, later = 0, newest = files, signedBy }: Case = {},
): Promise<unknown[]> => {
  const rule = approvalRuleOf(strategy(), {});
  const raw = (await repository.offer(commit, null)).objects.find(({ id }) => id === commit)?.data ?? '';
  const now = new Date(Date.now() + later);
  if (rule === undefined) throw new Error('the wave has no rule');
  const [base, after] = [parseSigners(files), parseSigners(newest)];
  const signer = verifyCommit(Buffer.from(raw, 'base64'), signedBy === undefined ? base : parseSigners(signedBy), new Date());
  const held = findMissingApproval({ revision: commit, rule, signer, base, newest: after, tags, now });
  return held === undefined ? [] : [held.missing, ...held.problems];
};

beforeAll(() => {
  bench = openSigningBench();
  repository = makeObjectRepository();
  [ana, anaToo, bob, bobToo, carol, dan, forge] = ['ana', 'ana-2', 'bob', 'bob-2', 'carol', 'dan', 'forge'].map((name) =>
    bench.sshKey(name, '-t', 'ed25519'),
  ) as [SshKey, SshKey, SshKey, SshKey, SshKey, SshKey, SshKey];
  home = bench.gpgHome('approvers');
  anaPgp = home.generate('ana', 'ed25519');
  gil = home.generate('gil', 'ed25519');
  home.gpg(['--quick-add-key', gil, 'ed25519', 'sign', '0']);
  files = {
    allowedSigners: signersFor(
      ['ana@example.org', ana],
      ['ana@example.org', anaToo],
      ['bob@example.org', bob],
      ['carol@example.org', carol],
      ['dan@example.org', dan],
      ['forge@example.org', forge],
    ),
    keyring: home.export(anaPgp, gil),
  };
  repository.commit({ 'README.md': 'Policies' });
  revision = commitBy(...sshSettings(ana));
});
afterAll(() => {
  repository.remove();
  bench.close();
});

describe('an approval', () => {
  it('counts by an approver who has not signed the commit, by SSH and by OpenPGP', async () => {
    expect(await judge([])).toEqual([1]);
    expect(await judge([approve(bob)])).toEqual([]);
    expect(await judge([tagBy(pgpSettings(gil), approvalTag(revision, 'production'))])).toEqual([]);
    const suffixed = approve(carol, '+carol');
    expect(await judge([suffixed])).toEqual([]);
    expect(repository.git('check-ref-format', `refs/tags/${approvalTag(revision, 'production')}+carol`)).toBe('');
  });

  it('is refused to the signer of the commit, by any key', async () => {
    const signed = expect.stringContaining('has signed the commit itself');
    expect(await judge([approve(ana)])).toEqual([1, signed]);
    expect(await judge([approve(anaToo)])).toEqual([1, signed]);
    expect(await judge([tagBy(pgpSettings(anaPgp), approvalTag(revision, 'production'))])).toEqual([1, signed]);
    const [, subkey = ''] = home.fingerprints(gil);
    const commit = commitBy(...pgpSettings(`${subkey}!`));
    const name = approvalTag(commit, 'production');
    expect(await judge([tagBy(pgpSettings(`${gil}!`), name, commit)], { commit })).toEqual([1, signed]);
    expect(await judge([tagBy(sshSettings(ana), name, commit)], { commit })).toEqual([]);
  });

  it('is refused to signers who are no approvers, and to strangers', async () => {
    expect(await judge([approve(dan)])).toEqual([1, expect.stringContaining('dan@example.org is no approver')]);
    expect(await judge([approve(bobToo)])).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await judge([approve(dan), approve(bobToo), approve(bob)])).toEqual([]);
  });

  it('is for one commit and one wave', async () => {
    const other = commitBy(...sshSettings(ana));
    const replayed = tagBy(sshSettings(bob), approvalTag(revision, 'production'), other);
    expect(await judge([replayed])).toEqual([1, expect.stringContaining(`names commit ${other.slice(0, 12)}`)]);
    expect(await judge([tagBy(sshSettings(bob), approvalTag(other, 'production'))])).toEqual([1]);
    const canary = tagBy(sshSettings(bob), approvalTag(revision, 'canary'));
    expect(await judge([canary])).toEqual([1]);
    const renamed = Buffer.from(canary.toString('latin1').replace('/canary\n', '/production\n'), 'latin1');
    expect(await judge([renamed])).toEqual([1, expect.stringContaining('not one of this object')]);
    expect(await judge([tagBy(sshSettings(bob), approvalTag(revision, 'production2'))])).toEqual([1]);
    expect(await judge([approve(bob), renamed, canary])).toEqual([]);
  });

  it('ends a day after its date, and begins no later than clocks differ', async () => {
    const tags = [approve(bob)];
    expect(await judge(tags, { later: 25 * HOUR })).toEqual([1, expect.stringContaining('ends after 24 h')]);
    expect(await judge(tags, { later: 23 * HOUR })).toEqual([]);
    expect(await judge(tags, { later: -6 * MINUTE })).toEqual([1, expect.stringContaining('in the future')]);
    expect(await judge(tags, { later: -4 * MINUTE })).toEqual([]);
  });

  it('needs a key that is valid now, and was when the commit in force was approved', async () => {
    const tags = [approve(bob)];
    const without = { ...files, allowedSigners: signersFor(['ana@example.org', ana], ['carol@example.org', carol]) };
    expect(await judge(tags, { newest: without })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await judge([...tags, approve(carol)], { newest: without })).toEqual([]);
    const renewed = { ...files, allowedSigners: `${files.allowedSigners}${signersFor(['bob@example.org', bobToo])}` };
    const byNewKey = approve(bobToo, '+new');
    expect(await judge([byNewKey], { newest: renewed })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await judge([byNewKey, ...tags], { newest: renewed })).toEqual([]);
    const moved = { ...files, allowedSigners: signersFor(['ana@example.org', ana], ['dan@example.org', bob]) };
    expect(await judge(tags, { newest: moved })).toEqual([1, expect.stringContaining('is no approver')]);
  });

  it('is not won by another name for a key, or a signer under a new one', async () => {
    const { keyring } = files;
    const others = signersFor(['ana@example.org', ana], ['carol@example.org', carol]);
    const renamed = { keyring, allowedSigners: `${others}${signersFor(['bob@example.org', anaToo])}` };
    expect(await judge([approve(anaToo)], { newest: renamed })).toEqual([1, expect.stringContaining('has signed the commit itself')]);
    const anaAsDan = {
      keyring,
      allowedSigners: signersFor(['dan@example.org', ana], ['ana@example.org', anaToo], ['bob@example.org', bob]),
    };
    expect(await judge([approve(anaToo)], { newest: anaAsDan })).toEqual([1, expect.stringContaining('has signed the commit itself')]);
    expect(await judge([approve(bob)], { newest: anaAsDan })).toEqual([]);
    const commit = commitBy(...sshSettings(bobToo));
    const more = { keyring, allowedSigners: `${files.allowedSigners}${signersFor(['new@example.org', bobToo])}` };
    const by = (key: SshKey, suffix = ''): Buffer => tagBy(sshSettings(key), approvalTag(commit, 'production') + suffix, commit);
    expect(await judge([by(ana)], { commit, newest: more, signedBy: more })).toEqual([1]);
    expect(await judge([by(ana), by(bob, '+bob')], { commit, newest: more, signedBy: more })).toEqual([]);
  });

  it('is given twice, by two people, where a hosting service has signed', async () => {
    const commit = commitBy(...sshSettings(forge));
    const name = approvalTag(commit, 'production');
    const [first, again] = [tagBy(sshSettings(bob), name, commit), tagBy(sshSettings(bob), `${name}+2`, commit)];
    expect(await judge([first, again], { commit })).toEqual([1]);
    const renamed = { ...files, allowedSigners: files.allowedSigners?.replace('forge@example.org', 'frank@example.org') };
    expect(await judge([first], { commit, newest: renamed, signedBy: renamed })).toEqual([1]);
    expect(await judge([first, tagBy(sshSettings(ana), `${name}+ana`, commit)], { commit })).toEqual([]);
  });

  it('is taken back by any signer, and by no stranger', async () => {
    const tags = [approve(bob)];
    const name = revocationTag(revision, 'production');
    expect(await judge([...tags, tagBy(sshSettings(dan), name)])).toEqual([0, `revoked by the tag ${name} of dan@example.org`]);
    expect(await judge([...tags, tagBy(sshSettings(dan), name)], { later: 23 * HOUR })).toEqual([0, expect.any(String)]);
    expect(await judge([...tags, tagBy(sshSettings(bobToo), name)])).toEqual([]);
    expect(await judge([...tags, tagBy(sshSettings(dan), revocationTag(revision, 'canary'))])).toEqual([]);
  });

  it('is an annotated tag with one signature, and what is none does no harm', async () => {
    repository.git('tag', '--force', '--annotate', '--message', 'Unsigned', 'unsigned', revision);
    const unsigned = Buffer.from(repository.git('cat-file', 'tag', 'unsigned'));
    const tag = approve(bob).toString('latin1');
    const twice = Buffer.from(`${tag}${tag.slice(tag.indexOf('-----BEGIN'))}`, 'latin1');
    const junk = [unsigned, twice, Buffer.alloc(16_384, 0xff), Buffer.from('')];
    expect(await judge(junk)).toEqual([
      1,
      expect.stringContaining('not signed'),
      expect.stringContaining('more than one'),
      ...Array(2).fill(expect.stringContaining('no annotated tag')),
    ]);
    expect(await judge([...junk, approve(bob)])).toEqual([]);
  });
});
