import { describe, expect, it, vi } from 'vitest';
import { MAX_COMMIT_BYTES } from '../git/index.ts';
import { parseSigners, type Signers } from '../signatures/index.ts';
import { type CommitSpec, makeKey, ObjectBox, type TestKey } from './testing/commits.ts';
import type { TrustConfig } from './trust-config.ts';
import { type AcceptedRevision, isJudged, type Judgement, judge } from './verification.ts';

const [ana, bob, eve] = [makeKey(), makeKey(), makeKey()];
const allow = (...keys: readonly TestKey[]): string => keys.map(({ line }) => `x ${line}\n`).join('');
const signersOf = (...keys: readonly TestKey[]): Signers => parseSigners({ allowedSigners: allow(...keys) });
const carrying = (...keys: readonly TestKey[]) => ({ signers: { allowed_signers: allow(...keys) } });
const STRICT: TrustConfig = { mode: 'strict', signers: signersOf(ana) };

/** A repository, and a program that takes its commits in. */
const scene = (config: TrustConfig = STRICT) => {
  const box = new ObjectBox();
  let accepted: AcceptedRevision | undefined;
  let message = '';
  const reads: string[] = [];
  const getObject = (id: string) => {
    reads.push(id);
    return box.get(id);
  };
  const propose = async (chain: readonly string[], from: string | null = accepted?.revision ?? null): Promise<string> => {
    const revision = chain.at(-1) ?? '';
    const result = await judge(config, accepted, { revision, from, chain }, { getObject, now: new Date() });
    message = result.ok ? '' : result.message;
    if (result.ok) accepted = { revision, verification: result.verification, trust: result.trust };
    return codeOf(result);
  };
  return {
    box,
    propose,
    /** A commit on top of what was accepted. */
    next: (spec: CommitSpec): string => box.commit({ ...(accepted && { parents: [accepted.revision] }), ...spec }),
    accepted: () => accepted,
    /** Message of the last refusal. */
    message: () => message,
    /** Ids of what was read since the last call. */
    reads: (): string[] => reads.splice(0),
    restart: (other: TrustConfig) => {
      config = other;
    },
  };
};
const codeOf = (result: Judgement): string => (result.ok ? result.verification.state : result.code);

describe('a signed history', () => {
  it('is followed from commit to commit', async () => {
    const { propose, next, accepted } = scene();
    expect(await propose([next({ key: ana })])).toBe('verified');
    expect(accepted()?.verification.signer).toMatch(/^x \(SHA256:/);
    const second = next({ key: ana, message: 'second' });
    expect(await propose([second])).toBe('verified');
    expect(await propose([second])).toBe('verified');
  });

  it('needs no signatures on the way, but commits that are parents of each other', async () => {
    const { box, propose, next } = scene();
    await propose([next({ key: ana })]);
    const unsigned = next({});
    const other = next({ message: 'other' });
    const merged = box.commit({ parents: [other, unsigned], key: ana });
    expect(await propose([unsigned, merged])).toBe('verified');
  });

  it('is refused from an unknown signer and without a signature', async () => {
    const { propose, next } = scene();
    expect(await propose([next({ key: eve })])).toBe('signer-unknown');
    expect(await propose([next({})])).toBe('unsigned');
  });

  it('goes forward only', async () => {
    const { box, propose, next, accepted } = scene();
    const first = next({ key: ana });
    await propose([first]);
    const second = next({ key: ana, message: 'second' });
    await propose([second]);
    expect(await propose([first], null)).toBe('not-a-descendant');
    expect(await propose([first])).toBe('chain-incomplete');
    const stranger = box.commit({ key: ana, message: 'another root' });
    expect(await propose([stranger], null)).toBe('not-a-descendant');
    expect(await propose([first, stranger])).toBe('chain-incomplete');
    expect(accepted()?.revision).toBe(second);
  });

  it('is refused with a gap, and accepted from any earlier commit', async () => {
    const { box, propose, next, accepted } = scene();
    const root = next({ key: ana });
    await propose([root]);
    const one = next({ key: ana, message: 'one' });
    const two = box.commit({ parents: [one], key: ana });
    expect(await propose([two])).toBe('chain-incomplete');
    expect(await propose([one, two], 'f'.repeat(40))).toBe('chain-incomplete');
    const hidden = box.objects.get(one);
    box.objects.delete(one);
    expect(await propose([one, two])).toBe('chain-incomplete');
    if (hidden !== undefined) box.objects.set(one, hidden);
    await propose([one]);
    // The proposer does not know `one` yet.
    expect(await propose([one, two], root)).toBe('verified');
    expect(accepted()?.revision).toBe(two);
  });
});

describe('an unsigned history', () => {
  /** Commits on top of what was accepted, each with what `specOf` says. */
  const chainOf = ({ box, accepted }: ReturnType<typeof scene>, length: number, specOf: (index: number) => CommitSpec): string[] => {
    const chain: string[] = [];
    for (let index = 0; index < length; index += 1)
      chain.push(box.commit({ parents: [chain.at(-1) ?? accepted()?.revision ?? ''], message: `${index}`, ...specOf(index) }));
    return chain;
  };
  const begun = async (): Promise<ReturnType<typeof scene>> => {
    const begin = scene();
    await begin.propose([begin.next({ key: ana })]);
    begin.reads();
    return begin;
  };
  const rootOf = (entries: number): CommitSpec => ({
    files: Object.fromEntries(Array.from({ length: entries }, (_, index) => [`file-${String(index).padStart(200, '0')}`, ''])),
  });

  it('is not read where the revision is not signed, or by a signer out of order', async () => {
    const now = await begun();
    const chain = chainOf(now, 10, () => ({}));
    expect(await now.propose(chain)).toBe('unsigned');
    expect(now.reads()).toEqual([chain.at(-1)]);
    const stranger = now.box.commit({ key: eve });
    expect(await now.propose([...chain, stranger])).toBe('chain-incomplete');
    expect(new Set(now.reads())).toEqual(new Set([stranger]));
  });

  it('is not read beyond the commit that is out of order, even if a signer signed the revision', async () => {
    const now = await begun();
    const chain = chainOf(now, 10, () => ({}));
    const other = now.box.commit({ key: ana, message: 'other' });
    expect(await now.propose([...chain, other])).toBe('chain-incomplete');
    expect(new Set(now.reads())).toEqual(new Set([other]));
  });

  it('searches a folder once for signers, for any number of commits that have it', async () => {
    const now = await begun();
    const chain = chainOf(now, 50, (index) => (index === 49 ? { key: ana } : {}));
    expect(await now.propose(chain)).toBe('verified');
    const reads = now.reads();
    expect(reads.filter((id) => now.box.get(id)?.type === 'tree')).toHaveLength(1);
  });

  it.each<[string, number, (index: number) => CommitSpec, RegExp]>([
    [
      'a commit of too many bytes',
      2,
      () => ({ message: 'x'.repeat(MAX_COMMIT_BYTES) }),
      /commit .* bytes, more than .*: shorten its message/,
    ],
    ['a root folder of too many bytes', 2, () => rootOf(5_000), /root folder .* bytes, more than .*: move files of it into folders/],
    [
      'too many bytes in all',
      101,
      (index) => ({ message: `${index} ${'x'.repeat(MAX_COMMIT_BYTES - 1_000)}` }),
      /with their root folders, more than .* bytes: raise the branch in steps/,
    ],
  ])('is refused with %s', async (_what, length, specOf, reason) => {
    const now = await begun();
    const [before, revision] = [now.accepted(), chainOf(now, length, specOf)];
    expect(await now.propose([...revision, now.box.commit({ parents: [revision.at(-1) ?? ''], key: ana })])).toBe('proof-too-large');
    expect(now.accepted()).toBe(before);
    expect(now.message()).toMatch(reason);
  });

  it('yields every 20 ms', async () => {
    const now = await begun();
    const chain = chainOf(now, 200, (index) => (index === 199 ? { key: ana } : {}));
    let time = 0;
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => {
      time += 21;
      return time;
    });
    let turns = 0;
    const immediate = (): NodeJS.Immediate =>
      setImmediate(() => {
        turns += 1;
        next = immediate();
      });
    let next = immediate();
    expect(await now.propose(chain)).toBe('verified');
    clearImmediate(next);
    spy.mockRestore();
    expect(turns).toBeGreaterThan(200);
  });
});

describe('signers in the repository', () => {
  it('follow those who could sign before', async () => {
    const { propose, next } = scene();
    expect(await propose([next({ key: ana, ...carrying(ana) })])).toBe('verified');
    expect(await propose([next({ key: bob, ...carrying(bob) })])).toBe('signer-unknown');
    expect(await propose([next({ key: ana, ...carrying(bob) })])).toBe('verified');
    expect(await propose([next({ key: ana, ...carrying(bob), message: 'too late' })])).toBe('signer-unknown');
    expect(await propose([next({ key: bob, ...carrying(bob), message: 'in time' })])).toBe('verified');
  });

  it('follow each other along a chain too', async () => {
    const { box, propose, next } = scene();
    await propose([next({ key: ana, ...carrying(ana) })]);
    const handover = next({ key: ana, ...carrying(bob) });
    const forged = next({ key: eve, ...carrying(eve) });
    const by = (key: TestKey, parent: string, signer: TestKey): string => box.commit({ parents: [parent], key, ...carrying(signer) });
    expect(await propose([forged, by(eve, forged, eve)])).toBe('signer-unknown');
    expect(await propose([forged, by(ana, forged, ana)])).toBe('signer-unknown');
    expect(await propose([handover, by(ana, handover, bob)])).toBe('signer-unknown');
    expect(await propose([handover, by(bob, handover, bob)])).toBe('verified');
  });

  it('do not sign later commits once a commit on the way removed them', async () => {
    const { box, propose, next } = scene();
    await propose([next({ key: ana, ...carrying(ana, bob) })]);
    const handover = next({ key: ana, ...carrying(ana) });
    expect(await propose([handover, box.commit({ parents: [handover], key: bob, ...carrying(ana) })])).toBe('signer-unknown');
    expect(await propose([handover, box.commit({ parents: [handover], key: ana, ...carrying(ana) })])).toBe('verified');
  });

  it('cannot be removed or left empty', async () => {
    const { propose, next } = scene();
    await propose([next({ key: ana, ...carrying(ana) })]);
    expect(await propose([next({ key: ana })])).toBe('signers-removed');
    expect(await propose([next({ key: ana, signers: { allowed_signers: '# nobody\n' } })])).toBe('signers-invalid');
    expect(await propose([next({ key: ana, signers: { 'README.md': 'x' } })])).toBe('signers-invalid');
    expect(await propose([next({ key: ana, signers: { allowed_signers: `x cert-authority ${ana.line}\n` } })])).toBe('signers-invalid');
  });

  it('may come late, and then count', async () => {
    const { propose, next } = scene();
    await propose([next({ key: ana })]);
    expect(await propose([next({ key: ana, ...carrying(bob) })])).toBe('verified');
    expect(await propose([next({ key: ana, ...carrying(bob), message: 'again' })])).toBe('signer-unknown');
  });
});

describe('configured signers', () => {
  it('are read again when they change, also where those in the repository are lost', async () => {
    const { propose, next, restart, accepted } = scene();
    await propose([next({ key: ana, ...carrying(ana) })]);
    const config: TrustConfig = { mode: 'strict', signers: signersOf(bob) };
    restart(config);
    const before = accepted();
    expect(before && isJudged(config, before)).toBe(false);
    expect(await propose([next({ key: ana, ...carrying(ana), message: 'as before' })])).toBe('signer-unknown');
    expect(await propose([next({ key: bob, ...carrying(bob) })])).toBe('verified');
  });

  it('judge what was accepted before there were any', async () => {
    const { propose, next, restart, accepted } = scene({ mode: 'off' });
    const unsigned = next({});
    expect(await propose([unsigned])).toBe('unverified');
    restart(STRICT);
    expect(isJudged(STRICT, accepted() as AcceptedRevision)).toBe(false);
    expect(await propose([unsigned])).toBe('unsigned');
    expect(await propose([next({ key: ana })])).toBe('verified');
  });

  it('warn where that is configured, and believe no keys of such a commit', async () => {
    const warn: TrustConfig = { mode: 'warn', signers: signersOf(ana) };
    const { propose, next, restart, accepted } = scene(warn);
    await propose([next({ key: ana, ...carrying(ana) })]);
    expect(await propose([next({ key: eve, ...carrying(eve) })])).toBe('failed');
    expect(accepted()?.verification.reason).toContain('signer-unknown: commit');
    restart(STRICT);
    expect(await propose([next({ key: eve, ...carrying(eve), message: 'more' })])).toBe('signer-unknown');
    expect(await propose([next({ key: ana, ...carrying(ana), message: 'back' })])).toBe('verified');
  });
});
