import type { SourceView } from '@fso/shared/api';
import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import { systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import type { TrustConfig } from '@fso/shared/trust';
import { describe, expect, it } from 'vitest';
import { type CommitSpec, makeKey, ObjectBox, signSsh, type TestKey } from '../../shared/trust/testing/commits.ts';
import { TagCheck } from './tag-check.ts';
import type { RolloutRun } from './waves/index.ts';

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
  const check = new TagCheck({ trust, source, clock: systemClock });
  const runOf = (of: string, { wave, strategy }: { wave?: string; strategy?: RolloutRun['base']['strategy'] } = {}) => {
    const halt = {
      wave: wave ?? 'all',
      gate: wave === undefined ? 'Refused' : 'NothingLookedAt',
      clusters: [],
      problem: '',
      since: 0,
    } as const;
    return { base: { revision: base, strategy: strategy ?? STRATEGY }, revision: of, halt: { ...halt, clusters: [] } };
  };
  return {
    box,
    base,
    revision,
    fetches,
    check,
    runOf,
    tag: (key: TestKey, name = immediateTag(revision)) => {
      const seconds = Math.floor(Date.now() / 1000);
      const payload = `object ${revision}\ntype commit\ntag ${name}\ntagger B <b> ${seconds} +0000\n\nNow\n`;
      tags.push(Buffer.from(`${payload}${signSsh(key, Buffer.from(payload))}\n`).toString('base64'));
    },
    /** Judges whether a commit that the source has verified skips waves. */
    judge: async (of = revision) => {
      newest.commit = view(of);
      return (await check.check(runOf(of), of)).immediate;
    },
    /** Judges it before the source says that it has verified it. */
    judgeEarly: async () => {
      newest.commit = view(base);
      return (await check.check(runOf(revision), revision)).immediate;
    },
    /** Judges whether an unseen wave goes on. */
    judgeUnseen: async (wave = 'canary', strategy: RolloutRun['base']['strategy'] = STRATEGY) =>
      (await check.check(runOf(revision, { wave, strategy }), revision)).approval,
  };
};

describe('TagCheck of a commit that asks to skip waves', () => {
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
    expect([check.awaited, await check.check(undefined, revision), check.awaited]).toEqual([revision, {}, null]);
  });

  it('does not judge a commit that does not ask for it', async () => {
    const { judge, tag, check } = open({ message: 'Rollout: immediate\n\nWe do not.' });
    tag(bob);
    expect([await judge(), check.awaited]).toEqual([undefined, null]);
  });

  it('counts no tag where the strategy names no approvers', async () => {
    const { check, runOf, revision, tag, judge } = open();
    tag(bob);
    expect(await judge()).toMatchObject({ isGiven: true });
    const { waves } = STRATEGY;
    const { immediate } = await check.check(runOf(revision, { strategy: { waves } }), revision);
    expect(immediate).toMatchObject({ isGiven: false, missing: 1, problems: ['the strategy in force names no approvers'] });
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

describe('TagCheck of an unseen wave', () => {
  const PLAIN = { message: 'Change' };

  it('waits for the tag of an approver for that wave and commit, and has it looked for', async () => {
    const { judgeUnseen, tag, check, runOf, fetches, revision } = open(PLAIN);
    expect(await check.check(runOf(revision), revision)).toEqual({});
    expect(await check.check(runOf('f'.repeat(40), { wave: 'canary' }), revision)).toEqual({});
    expect([check.awaited, fetches.hints]).toEqual([null, 0]);
    expect(await judgeUnseen()).toMatchObject({
      wave: 'canary',
      isGiven: false,
      missing: 1,
      unneeded: null,
      signer: expect.stringMatching(/^ana /),
    });
    expect([check.awaited, fetches.hints]).toEqual([revision, 1]);
    tag(ana, approvalTag(revision, 'canary'));
    tag(bob, approvalTag(revision, 'production'));
    tag(bob, immediateTag(revision));
    expect(await judgeUnseen()).toMatchObject({ isGiven: false, problems: [expect.stringContaining('ana is no approver')] });
    tag(bob, `${approvalTag(revision, 'canary')}+bob`);
    expect(await judgeUnseen()).toMatchObject({ isGiven: true, approvers: [expect.stringMatching(/^bob \(SHA256:/)] });
    fetches.hasUnread = true;
    expect(await judgeUnseen()).toMatchObject({ isGiven: false });
    fetches.hasUnread = false;
    tag(ana, revocationTag(revision, 'production'));
    expect(await judgeUnseen()).toMatchObject({ isGiven: true });
    tag(ana, revocationTag(revision, 'canary'));
    expect(await judgeUnseen()).toMatchObject({ isGiven: false, missing: 0 });
  });

  it('counts no tag of the author, nor of a key that the commit brings', async () => {
    const byBob = open({ ...PLAIN, key: bob });
    byBob.tag(bob, approvalTag(byBob.revision, 'canary'));
    expect(await byBob.judgeUnseen()).toMatchObject({
      isGiven: false,
      problems: [expect.stringContaining('has signed the commit itself')],
    });
    const added = open({ ...PLAIN, signers: { allowed_signers: allowed(['ana', ana], ['bob', bobToo]) } });
    added.tag(bobToo, approvalTag(added.revision, 'canary'));
    expect(await added.judgeUnseen()).toMatchObject({ isGiven: false, unneeded: null });
  });

  it('leaves it to an operator where no one could approve it, with the reason', async () => {
    const { waves } = STRATEGY;
    const nobody = 'no approver but its signer has a key among the signers of the commit that every wave has';
    const cases: readonly (readonly [string, ReturnType<typeof open>, string?, RolloutRun['base']['strategy']?])[] = [
      ['the strategy in force names no approvers', open(PLAIN), 'canary', { waves }],
      ['no tag can have the name of the wave', open(PLAIN), 'The first'],
      ['this hub verifies no commits', open(PLAIN, { mode: 'off' })],
      ['this hub took the commit although it is not verified', open(PLAIN, { ...STRICT, mode: 'warn' }, { state: 'failed', reason: '' })],
      [nobody, open(PLAIN), 'canary', { waves, approvers: ['zed'] }],
      [nobody, open({ ...PLAIN, key: bob })],
    ];
    for (const [unneeded, { judgeUnseen, check }, wave, strategy] of cases) {
      expect(await judgeUnseen(wave, strategy)).toMatchObject({ isGiven: false, unneeded });
      expect(check.awaited).toBeNull();
    }
  });

  it('leaves nothing to an operator by names that the commit gives its signer, nor by needing two', async () => {
    const renamed = open({ ...PLAIN, signers: { allowed_signers: allowed(['ana,bob', ana], ['bob', bob]) } });
    const { waves } = STRATEGY;
    expect(await renamed.judgeUnseen()).toMatchObject({ isGiven: false, unneeded: null });
    expect(await open(PLAIN).judgeUnseen('canary', { waves, approvers: ['bob'], hostingSigners: ['ana'] })).toMatchObject({
      missing: 2,
      unneeded: null,
    });
  });

  it('stays halted while the commit or its base cannot be read', async () => {
    const { box, base, judgeUnseen, tag, revision } = open(PLAIN);
    tag(bob, approvalTag(revision, 'canary'));
    const object = box.objects.get(base);
    box.objects.delete(base);
    expect(await judgeUnseen()).toMatchObject({ isGiven: false, unneeded: null, problems: [expect.stringContaining(base)] });
    if (object !== undefined) box.objects.set(base, object);
    expect(await judgeUnseen()).toMatchObject({ isGiven: true });
  });
});
