import { trailersOf } from '@fso/shared/git';
import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import { describe, expect, it } from 'vitest';
import { type Case, HOUR, MINUTE, signersFor, sshSettings, useApprovalBench } from './approval-bench.ts';
import type { SshKey } from './signing-bench.ts';

/** Commits with the trailer `Rollout: immediate`, and their tags, by git, ssh-keygen and gpg. */

const bench = useApprovalBench();

describe('`Rollout: immediate`', () => {
  const MESSAGE = 'Stop it\n\nRollout: immediate';
  /** A commit with the trailer, and what tags it. */
  const open = (key: SshKey = bench().ana, message = MESSAGE) => {
    const commit = bench().commit(sshSettings(key), message);
    const tag = (by: SshKey, suffix = ''): Buffer => bench().tag(sshSettings(by), immediateTag(commit) + suffix, commit);
    return { commit, tag, judged: (tags: readonly Uint8Array[], more: Case = {}) => bench().judge(tags, { commit, ...more }) };
  };

  it('needs the trailer and a tag of another principal, and then no approval', async () => {
    const { commit, tag, judged } = open();
    expect(await judged([])).toEqual([1]);
    expect(await judged([tag(bench().bob)])).toEqual([]);
    expect(await judged([bench().tag(bench().pgpSettings(bench().gil), `${immediateTag(commit)}+gil`, commit)])).toEqual([]);
    expect(bench().repository.git('check-ref-format', `refs/tags/${immediateTag(commit)}+gil`)).toBe('');
    const { tag: plain, judged: judgedPlain } = open(bench().ana, 'Stop it');
    expect(await judgedPlain([plain(bench().bob)])).toEqual([1]);
    const body = open(bench().ana, 'Stop it\n\nRollout: immediate\n\nor better not');
    expect(await body.judged([body.tag(bench().bob)])).toEqual([1]);
    const both = open(bench().ana, `${MESSAGE}\nRollout: waves`);
    expect(await both.judged([both.tag(bench().bob)])).toEqual([1]);
    const lower = open(bench().ana, 'Stop it\n\nrollout: Immediate\nSigned-off-by: Ana <ana@example.org>');
    expect(await lower.judged([lower.tag(bench().bob)])).toEqual([]);
  });

  it('is refused to one principal alone: by the signer, by any key, or by a signer who is no approver', async () => {
    const { commit, tag, judged } = open();
    const signed = expect.stringContaining('has signed the commit itself');
    expect(await judged([tag(bench().ana)])).toEqual([1, signed]);
    expect(await judged([tag(bench().anaToo)])).toEqual([1, signed]);
    expect(await judged([bench().tag(bench().pgpSettings(bench().anaPgp), immediateTag(commit), commit)])).toEqual([1, signed]);
    expect(await judged([tag(bench().dan)])).toEqual([1, expect.stringContaining('dan@example.org is no approver')]);
    expect(await judged([tag(bench().bobToo)])).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await judged([tag(bench().ana), tag(bench().anaToo, '+2'), tag(bench().bob, '+bob')])).toEqual([]);
  });

  it('is for one commit, and no approval, nor the other way round', async () => {
    const { commit, tag, judged } = open();
    const other = open();
    expect(await judged([other.tag(bench().bob)])).toEqual([1]);
    const moved = bench().tag(sshSettings(bench().bob), immediateTag(commit), other.commit);
    expect(await judged([moved])).toEqual([1, expect.stringContaining(`names commit ${other.commit.slice(0, 12)}`)]);
    expect(await judged([bench().tag(sshSettings(bench().bob), approvalTag(commit, 'canary'), commit)])).toEqual([1]);
    const approval = bench().tag(sshSettings(bench().bob), approvalTag(commit, 'production'), commit);
    const renamed = Buffer.from(
      approval.toString('latin1').replace(`tag ${approvalTag(commit, 'production')}`, `tag ${immediateTag(commit)}`),
      'latin1',
    );
    expect(await judged([renamed])).toEqual([1, expect.stringContaining('not one of this object')]);
    expect(await judged([renamed, moved, tag(bench().bob)])).toEqual([]);
  });

  it('ends a day after the date of the tag, or with the key', async () => {
    const { tag, judged } = open();
    const tags = [tag(bench().bob)];
    expect(await judged(tags, { later: 25 * HOUR })).toEqual([1, expect.stringContaining('ends after 24 h')]);
    expect(await judged(tags, { later: 23 * HOUR })).toEqual([]);
    expect(await judged(tags, { later: -6 * MINUTE })).toEqual([1, expect.stringContaining('in the future')]);
    const without = {
      ...bench().files,
      allowedSigners: signersFor(['ana@example.org', bench().ana], ['carol@example.org', bench().carol]),
    };
    expect(await judged(tags, { newest: without })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    const added = { ...bench().files, allowedSigners: `${bench().files.allowedSigners}${signersFor(['bob@example.org', bench().bobToo])}` };
    expect(await judged([tag(bench().bobToo)], { newest: added })).toEqual([1, expect.stringContaining('none of the allowed signers')]);
    expect(await judged(tags, { newest: added })).toEqual([]);
  });

  it('needs two where a hosting service has signed', async () => {
    const { tag, judged } = open(bench().forge);
    expect(await judged([tag(bench().bob), tag(bench().bob, '+2')])).toEqual([2]);
    expect(await judged([tag(bench().bob), tag(bench().ana, '+ana')])).toEqual([]);
  });

  it('is taken back by a revocation for any wave, and by no stranger', async () => {
    const { commit, tag, judged } = open();
    const revoke = (key: SshKey, wave: string): Buffer => bench().tag(sshSettings(key), revocationTag(commit, wave), commit);
    for (const wave of ['immediate', 'canary'])
      expect(await judged([tag(bench().bob), revoke(bench().dan, wave)])).toEqual([
        1,
        `revoked by the tag fso/revoke/${commit}/${wave} of dan@example.org`,
      ]);
    expect(await judged([tag(bench().bob), revoke(bench().bobToo, 'immediate')])).toEqual([]);
  });

  it('stands where git reads trailers', async () => {
    const messages = [
      MESSAGE,
      'A\n\nRollout: immediate\n (no)',
      'A\n\nx\n---\n\nrollout : immediate',
      'Rollout: immediate',
      'A\n\nRollout: immediate\n\nB',
      'A\n\n\u00a0\nRollout: immediate',
    ];
    for (const message of messages) {
      const commit = bench().commit(sshSettings(bench().ana), message);
      const byGit = bench().repository.git('log', '-1', '--format=%(trailers:unfold)', commit).trim();
      const ours = trailersOf(message).map(({ value }) => value);
      expect([message, ours]).toEqual([message, byGit === '' ? [] : [byGit.slice(byGit.indexOf(':') + 1).trim()]]);
    }
  });
});
