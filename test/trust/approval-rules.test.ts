import { approvalTag, revocationTag } from '@fso/shared/rollout';
import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, signersFor, sshSettings, useApprovalBench } from './approval-bench.ts';
import type { SshKey } from './signing-bench.ts';

/** Approvals by git, ssh-keygen and gpg. */

const bench = useApprovalBench();

describe('an approval', () => {
  it('counts by an approver who has not signed the commit, by SSH and by OpenPGP', async () => {
    expect(await bench().judge([])).toEqual([1]);
    expect(await bench().judge([bench().approve(bench().bob)])).toEqual([]);
    expect(await bench().judge([bench().tag(bench().pgpSettings(bench().gil), approvalTag(bench().revision, 'production'))])).toEqual([]);
    const suffixed = bench().approve(bench().carol, '+carol');
    expect(await bench().judge([suffixed])).toEqual([]);
    expect(bench().repository.git('check-ref-format', `refs/tags/${approvalTag(bench().revision, 'production')}+carol`)).toBe('');
  });

  it('is refused to the signer of the commit, by any key', async () => {
    const signed = expect.stringContaining('has signed the commit itself');
    expect(await bench().judge([bench().approve(bench().ana)])).toEqual([1, signed]);
    expect(await bench().judge([bench().approve(bench().anaToo)])).toEqual([1, signed]);
    expect(await bench().judge([bench().tag(bench().pgpSettings(bench().anaPgp), approvalTag(bench().revision, 'production'))])).toEqual([
      1,
      signed,
    ]);
    const [, subkey = ''] = bench().home.fingerprints(bench().gil);
    const commit = bench().commit(bench().pgpSettings(`${subkey}!`));
    const name = approvalTag(commit, 'production');
    expect(await bench().judge([bench().tag(bench().pgpSettings(`${bench().gil}!`), name, commit)], { commit })).toEqual([1, signed]);
    expect(await bench().judge([bench().tag(sshSettings(bench().ana), name, commit)], { commit })).toEqual([]);
  });

  it('is refused to signers who are no approvers, and to strangers', async () => {
    expect(await bench().judge([bench().approve(bench().dan)])).toEqual([1, expect.stringContaining('dan@example.org is no approver')]);
    expect(await bench().judge([bench().approve(bench().bobToo)])).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await bench().judge([bench().approve(bench().dan), bench().approve(bench().bobToo), bench().approve(bench().bob)])).toEqual([]);
  });

  it('is for one commit and one wave', async () => {
    const other = bench().commit(sshSettings(bench().ana));
    const replayed = bench().tag(sshSettings(bench().bob), approvalTag(bench().revision, 'production'), other);
    expect(await bench().judge([replayed])).toEqual([1, expect.stringContaining(`names commit ${other.slice(0, 12)}`)]);
    expect(await bench().judge([bench().tag(sshSettings(bench().bob), approvalTag(other, 'production'))])).toEqual([1]);
    const canary = bench().tag(sshSettings(bench().bob), approvalTag(bench().revision, 'canary'));
    expect(await bench().judge([canary])).toEqual([1]);
    const renamed = Buffer.from(canary.toString('latin1').replace('/canary\n', '/production\n'), 'latin1');
    expect(await bench().judge([renamed])).toEqual([1, expect.stringContaining('not one of this object')]);
    expect(await bench().judge([bench().tag(sshSettings(bench().bob), approvalTag(bench().revision, 'production2'))])).toEqual([1]);
    expect(await bench().judge([bench().approve(bench().bob), renamed, canary])).toEqual([]);
  });

  it('ends a day after its date, and begins no later than clocks differ', async () => {
    const tags = [bench().approve(bench().bob)];
    expect(await bench().judge(tags, { later: 25 * HOUR })).toEqual([1, expect.stringContaining('ends after 24 h')]);
    expect(await bench().judge(tags, { later: 23 * HOUR })).toEqual([]);
    expect(await bench().judge(tags, { later: -6 * MINUTE })).toEqual([1, expect.stringContaining('in the future')]);
    expect(await bench().judge(tags, { later: -4 * MINUTE })).toEqual([]);
  });

  it('needs a key that is valid now, and was when the commit in force was approved', async () => {
    const tags = [bench().approve(bench().bob)];
    const without = {
      ...bench().files,
      allowedSigners: signersFor(['ana@example.org', bench().ana], ['carol@example.org', bench().carol]),
    };
    expect(await bench().judge(tags, { newest: without })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await bench().judge([...tags, bench().approve(bench().carol)], { newest: without })).toEqual([]);
    const renewed = {
      ...bench().files,
      allowedSigners: `${bench().files.allowedSigners}${signersFor(['bob@example.org', bench().bobToo])}`,
    };
    const byNewKey = bench().approve(bench().bobToo, '+new');
    expect(await bench().judge([byNewKey], { newest: renewed })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await bench().judge([byNewKey, ...tags], { newest: renewed })).toEqual([]);
    const moved = { ...bench().files, allowedSigners: signersFor(['ana@example.org', bench().ana], ['dan@example.org', bench().bob]) };
    expect(await bench().judge(tags, { newest: moved })).toEqual([1, expect.stringContaining('is no approver')]);
  });

  it('is not won by another name for a key, or a signer under a new one', async () => {
    const { keyring } = bench().files;
    const others = signersFor(['ana@example.org', bench().ana], ['carol@example.org', bench().carol]);
    const renamed = { keyring, allowedSigners: `${others}${signersFor(['bob@example.org', bench().anaToo])}` };
    expect(await bench().judge([bench().approve(bench().anaToo)], { newest: renamed })).toEqual([
      1,
      expect.stringContaining('has signed the commit itself'),
    ]);
    const anaAsDan = {
      keyring,
      allowedSigners: signersFor(['dan@example.org', bench().ana], ['ana@example.org', bench().anaToo], ['bob@example.org', bench().bob]),
    };
    expect(await bench().judge([bench().approve(bench().anaToo)], { newest: anaAsDan })).toEqual([
      1,
      expect.stringContaining('has signed the commit itself'),
    ]);
    expect(await bench().judge([bench().approve(bench().bob)], { newest: anaAsDan })).toEqual([]);
    const commit = bench().commit(sshSettings(bench().bobToo));
    const more = { keyring, allowedSigners: `${bench().files.allowedSigners}${signersFor(['new@example.org', bench().bobToo])}` };
    const by = (key: SshKey, suffix = ''): Buffer => bench().tag(sshSettings(key), approvalTag(commit, 'production') + suffix, commit);
    expect(await bench().judge([by(bench().ana)], { commit, newest: more, signedBy: more })).toEqual([1]);
    expect(await bench().judge([by(bench().ana), by(bench().bob, '+bob')], { commit, newest: more, signedBy: more })).toEqual([]);
  });

  it('is given twice, by two people, where a hosting service has signed', async () => {
    const commit = bench().commit(sshSettings(bench().forge));
    const name = approvalTag(commit, 'production');
    const [first, again] = [
      bench().tag(sshSettings(bench().bob), name, commit),
      bench().tag(sshSettings(bench().bob), `${name}+2`, commit),
    ];
    expect(await bench().judge([first, again], { commit })).toEqual([1]);
    const renamed = { ...bench().files, allowedSigners: bench().files.allowedSigners?.replace('forge@example.org', 'frank@example.org') };
    expect(await bench().judge([first], { commit, newest: renamed, signedBy: renamed })).toEqual([1]);
    expect(await bench().judge([first, bench().tag(sshSettings(bench().ana), `${name}+ana`, commit)], { commit })).toEqual([]);
  });

  it('is taken back by any signer, and by no stranger', async () => {
    const tags = [bench().approve(bench().bob)];
    const name = revocationTag(bench().revision, 'production');
    expect(await bench().judge([...tags, bench().tag(sshSettings(bench().dan), name)])).toEqual([
      0,
      `revoked by the tag ${name} of dan@example.org`,
    ]);
    expect(await bench().judge([...tags, bench().tag(sshSettings(bench().dan), name)], { later: 23 * HOUR })).toEqual([
      0,
      expect.any(String),
    ]);
    expect(await bench().judge([...tags, bench().tag(sshSettings(bench().bobToo), name)])).toEqual([]);
    expect(await bench().judge([...tags, bench().tag(sshSettings(bench().dan), revocationTag(bench().revision, 'canary'))])).toEqual([]);
  });

  it('is an annotated tag with one signature, and what is none does no harm', async () => {
    bench().repository.git('tag', '--force', '--annotate', '--message', 'Unsigned', 'unsigned', bench().revision);
    const unsigned = Buffer.from(bench().repository.git('cat-file', 'tag', 'unsigned'));
    const tag = bench().approve(bench().bob).toString('latin1');
    const twice = Buffer.from(`${tag}${tag.slice(tag.indexOf('-----BEGIN'))}`, 'latin1');
    const junk = [unsigned, twice, Buffer.alloc(16_384, 0xff), Buffer.from('')];
    expect(await bench().judge(junk)).toEqual([
      1,
      expect.stringContaining('not signed'),
      expect.stringContaining('more than one'),
      ...Array(2).fill(expect.stringContaining('no annotated tag')),
    ]);
    expect(await bench().judge([...junk, bench().approve(bench().bob)])).toEqual([]);
  });
});
