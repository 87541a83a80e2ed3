import type { SourceView } from '@fso/shared/api';
import { immediateTag, revocationTag } from '@fso/shared/rollout';
import { systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import type { TrustConfig } from '@fso/shared/trust';
import { describe, expect, it } from 'vitest';
import { type CommitSpec, makeKey, ObjectBox, signSsh, type TestKey } from '../../shared/trust/testing/commits.ts';
import { ImmediateCheck } from './immediate-check.ts';

const [ana, bob, bobToo, carol] = [makeKey(), makeKey(), makeKey(), makeKey()];
const allowed = (...names: readonly (readonly [name: string, key: TestKey])[]): string =>
  names.map(([name, { line }]) => `${name} ${line}\n`).join('');
const NAMES = [['ana', ana] as const, ['bob', bob] as const];
const STRICT = { mode: 'strict', signers: parseSigners({ allowedSigners: allowed(...NAMES) }) } satisfies TrustConfig;
const STRATEGY = { waves: [{ name: 'all', clusterSelector: {} }], approvers: ['bob'] };
const MESSAGE = 'Stop it\n\nRollout: immediate';

const open = (commit: CommitSpec = {}, trust: TrustConfig = STRICT, verification: SourceView['verification'] = { state: 'verified' }) => {
  const box = new ObjectBox();
  const base = box.commit({ key: ana });
  const revision = box.commit({ key: ana, message: MESSAGE, parents: [base], ...commit });
  const tags: string[] = [];
  const fetches = { hints: 0, hasUnread: false };
  const view = (id: string) => ({ revision: id, author: '', subject: '', time: '' });
  const newest = { commit: view(revision) };
  const source = {
    hint: () => {
      fetches.hints += 1;
    },
    state: () => ({ url: '', ref: 'main', revision: newest.commit, rejected: null, error: null, lastFetch: null, verification }),
    objects: { object: async (id: string) => box.get(id) },
    approvals: {
      of: (of: string) => (of === revision ? { type: 'approvals' as const, revision, tags } : undefined),
      hasUnreadRevocation: () => fetches.hasUnread,
    },
  };
  const check = new ImmediateCheck({ trust, source, clock: systemClock });
  return {
    box,
    base,
    revision,
    fetches,
    check,
    tag: (key: TestKey, name = immediateTag(revision)) => {
      const seconds = Math.floor(Date.now() / 1000);
      const payload = `object ${revision}\ntype commit\ntag ${name}\ntagger B <b> ${seconds} +0000\n\nNow\n`;
      tags.push(Buffer.from(`${payload}${signSsh(key, Buffer.from(payload))}\n`).toString('base64'));
    },
    /** Judges a commit that the source has verified. */
    judge: (of = revision) => {
      newest.commit = view(of);
      return check.check({ revision: base, strategy: STRATEGY }, of);
    },
    /** Judges it before the source says that it has verified it. */
    judgeEarly: () => {
      newest.commit = view(base);
      return check.check({ revision: base, strategy: STRATEGY }, revision);
    },
  };
};

describe('ImmediateCheck', () => {
  it('waits for the tag of an approver, and has it looked for', async () => {
    const { judge, tag, check, fetches, revision, base } = open();
    expect(await judge()).toMatchObject({ isGiven: false, missing: 1, signer: expect.stringMatching(/^ana \(SHA256:/) });
    await judge();
    expect([check.awaited, fetches.hints]).toEqual([revision, 1]);
    tag(ana);
    expect(await judge()).toMatchObject({ isGiven: false, problems: [expect.stringContaining('ana is no approver')] });
    tag(bob, `${immediateTag(revision)}+bob`);
    expect(await judge()).toMatchObject({ isGiven: true, approvers: [expect.stringMatching(/^bob \(SHA256:/)] });
    tag(ana, revocationTag(revision, 'immediate'));
    expect(await judge()).toMatchObject({ isGiven: false, missing: 0 });
    expect([await judge(base), check.awaited]).toEqual([undefined, null]);
  });

  it('lets nothing skip waves while a revocation is there that cannot be read', async () => {
    const { judge, tag, fetches } = open();
    tag(bob);
    fetches.hasUnread = true;
    expect(await judge()).toMatchObject({ isGiven: false, missing: 0 });
    fetches.hasUnread = false;
    expect(await judge()).toMatchObject({ isGiven: true });
  });

  it('looks for no tags once no waves are in force', async () => {
    const { judge, check, revision } = open();
    await judge();
    expect([check.awaited, await check.check(undefined, revision), check.awaited]).toEqual([revision, undefined, null]);
  });

  it('does not judge a commit that does not ask for it', async () => {
    const { judge, tag, check } = open({ message: 'Rollout: immediate\n\nWe do not.' });
    tag(bob);
    expect([await judge(), check.awaited]).toEqual([undefined, null]);
  });

  it('counts no tag where the strategy names no approvers', async () => {
    const { check, base, revision, tag, judge } = open();
    tag(bob);
    expect(await judge()).toMatchObject({ isGiven: true });
    const { waves } = STRATEGY;
    expect(await check.check({ revision: base, strategy: { waves } }, revision)).toMatchObject({ isGiven: false, missing: 1 });
  });

  it('counts keys of the signers before and after the commit alone', async () => {
    const signers = { allowed_signers: allowed(['ana', ana], ['bob', bobToo]) };
    const added = open({ signers });
    added.tag(bobToo);
    added.tag(bob, `${immediateTag(added.revision)}+2`);
    const stranger = expect.stringContaining('none of the allowed signers');
    expect(await added.judge()).toMatchObject({ isGiven: false, problems: [stranger, stranger] });
    const kept = open({ signers: { allowed_signers: allowed(...NAMES) } });
    kept.tag(bob);
    expect(await kept.judge()).toMatchObject({ isGiven: true });
  });

  it('finds the signer among the keys that a parent handed over, who then needs two others', async () => {
    const { box, base, judge } = open();
    const handing = box.commit({ key: ana, parents: [base], signers: { allowed_signers: allowed(...NAMES, ['carol', carol]) } });
    const revision = box.commit({ key: carol, parents: [handing], message: MESSAGE, signers: { allowed_signers: allowed(...NAMES) } });
    expect(await judge(revision)).toMatchObject({ missing: 2, signer: expect.stringMatching(/^carol /), problems: [] });
  });

  it('takes the name of the signer from the commit in force, not from a branch that was merged', async () => {
    const { box, base, judge } = open();
    const renaming = box.commit({ key: ana, parents: [base], signers: { allowed_signers: allowed(['zed', ana], ['bob', bob]) } });
    const revision = box.commit({ key: ana, parents: [renaming, base], message: MESSAGE });
    expect(await judge(revision)).toMatchObject({ missing: 1, signer: expect.stringMatching(/^ana /) });
  });

  it('lets nothing skip waves that was not verified, or cannot be read now', async () => {
    const cases = [open({}, { mode: 'off' }), open({}, STRICT, { state: 'failed', reason: 'unsigned' }), open({ key: bobToo })];
    for (const { judge, tag } of cases) {
      tag(bob);
      expect(await judge()).toMatchObject({ isGiven: false, missing: 1, problems: [expect.stringMatching(/verified|signed/)] });
    }
    const { box, judge, judgeEarly, tag, base } = open();
    tag(bob);
    expect(await judgeEarly()).toMatchObject({ isGiven: false, problems: ['this hub has not verified the commit'] });
    const objects = [...box.objects];
    box.objects.delete(base);
    expect(await judge()).toMatchObject({ isGiven: false, problems: [expect.stringContaining(base)] });
    box.objects.clear();
    expect(await judge()).toMatchObject({ isGiven: false, problems: ['the commit is not in the clone'] });
    for (const [id, object] of objects) box.objects.set(id, object);
    expect(await judge()).toMatchObject({ isGiven: true });
  });
});
