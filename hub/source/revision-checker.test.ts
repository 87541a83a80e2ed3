import { MAX_COMMIT_BYTES } from '@fso/shared/git';
import { parseSigners } from '@fso/shared/signatures';
import { describe, expect, it } from 'vitest';
import { makeKey, ObjectBox } from '../../shared/trust/testing/commits.ts';
import type { Clone } from './git/clone.ts';
import { createRevisionReader } from './object-access.ts';
import { RevisionChecker } from './revision-checker.ts';

it('refuses a wave that needs an approval where no approver has a key', async () => {
  const key = makeKey();
  const signers = parseSigners({ allowedSigners: `ana ${key.line}\n` });
  const box = new ObjectBox();
  const clone = { object: async (id: string) => box.get(id) };
  const reader = createRevisionReader(clone as Pick<Clone, 'object'> as Clone, 20);
  const check = (approver: string, mode: 'strict' | 'off') => {
    const strategy = `apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: r}\nspec: {approvers: [${approver}], waves: [{name: w, clusterSelector: {}, approval: Required}]}\n`;
    const config = mode === 'off' ? { mode } : { mode, signers };
    return new RevisionChecker(config, reader, () => new Date()).check(box.commit({ key, files: { 'rollout.yaml': strategy } }));
  };
  expect(await check('bob', 'strict')).toMatchObject({
    ok: false,
    problems: [{ path: 'rollout.yaml', reason: expect.stringContaining('none of them has a key') }],
  });
  expect(await check('ana', 'strict')).toMatchObject({ ok: true });
  expect(await check('bob', 'off')).toMatchObject({ ok: true });
});

describe('a signed commit above one that is too large to be parsed', () => {
  const key = makeKey();
  const signers = parseSigners({ allowedSigners: `x ${key.line}\n` });
  const box = new ObjectBox();
  const first = box.commit({ key });
  const large = box.commit({ parents: [first], message: 'x'.repeat(MAX_COMMIT_BYTES) });
  const revision = box.commit({ parents: [large], key });

  const check = async (mode: 'strict' | 'warn', commit: string) => {
    const clone = { object: async (id: string) => box.get(id) };
    const reader = createRevisionReader(clone as Pick<Clone, 'object'> as Clone, 20);
    const checker = new RevisionChecker({ mode, signers }, reader, () => new Date());
    const accepted = await checker.check(first);
    if (!accepted.ok) throw new Error('the first commit is refused');
    checker.accept({ revision: first, verification: accepted.verification, trust: accepted.trust });
    return checker.check(commit);
  };

  it('is refused by its code', async () => {
    expect(await check('strict', revision)).toMatchObject({ ok: false, problems: [{ code: 'proof-too-large' }] });
  });

  it('is accepted where it merges the large one into the last accepted commit', async () => {
    const merge = box.commit({ parents: [first, large], key });
    expect(await check('strict', merge)).toMatchObject({ ok: true, verification: { state: 'verified' } });
  });

  it('is accepted with a warning where the mode is warn', async () => {
    expect(await check('warn', revision)).toMatchObject({
      ok: true,
      verification: { state: 'failed', reason: expect.stringMatching(/^proof-too-large: /) },
    });
  });
});
