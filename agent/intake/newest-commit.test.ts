import type { ConfigMap, KubeClient } from '@fso/shared/kube';
import type { Advance, GitObject } from '@fso/shared/protocol';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import { type AcceptedRevision, type Judgement, judgeNext, type TrustConfig } from '@fso/shared/trust';
import { describe, expect, it } from 'vitest';
import { makeKey, ObjectBox, type TestKey } from '../../shared/trust/testing/commits.ts';
import { eventually } from '../../test/harness/waiting.ts';
import { NewestCommit, readAhead } from './newest-commit.ts';
import { ObjectStore } from './object-store.ts';

const [ana, bob, eve] = [makeKey(), makeKey(), makeKey()];
const allowed = (names: Readonly<Record<string, TestKey>>) => ({
  allowed_signers: Object.entries(names)
    .map(([name, { line }]) => `${name} ${line}\n`)
    .join(''),
});
const [ALL, WITHOUT_EVE] = [allowed({ ana, bob, eve }), allowed({ ana, bob })];
const TRUST: TrustConfig = { mode: 'strict', signers: parseSigners({ allowedSigners: ALL.allowed_signers }) };

const box = new ObjectBox();
const commit = (parents: readonly string[], key: TestKey, signers = ALL, note = ''): string =>
  box.commit({ parents, key, signers, files: { 'README.md': note } });

const first = commit([], ana);
const byEve = commit([first], eve);
const byBob = commit([byEve], bob);
/** Takes the stolen key of Eve out. */
const removal = commit([byBob], ana, WITHOUT_EVE);
const next = commit([removal], bob, WITHOUT_EVE);
const fork = commit([first], eve, ALL, 'another branch');

const pathTo = (revision: string, from: string): string[] => {
  const line = [first, byEve, byBob, removal, next];
  return revision === fork ? [fork] : line.slice(line.indexOf(from) + 1, line.indexOf(revision) + 1);
};
const advanceTo = (revision: string, from = first): Advance => ({
  type: 'advance',
  revision,
  anchor: from,
  chain: pathTo(revision, from),
  objects: [...box.objects].map(([id, { type, data }]): GitObject => ({ id, type, data: Buffer.from(data).toString('base64') })),
});
const context = { getObject: box.get, now: new Date() };

/** Judges a commit as an offer that is to be put in force. */
const judge = (newest: NewestCommit, revision: string, from = first): Promise<Judgement> =>
  judgeNext(TRUST, newest.known, { revision, from, chain: pathTo(revision, from) }, context);
const codeOf = async (...args: Parameters<typeof judge>): Promise<string> => {
  const judgement = await judge(...args);
  return judgement.ok ? 'taken' : judgement.code;
};

const acceptedOf = (revision: string, judgement: Judgement): AcceptedRevision =>
  judgement.ok ? { revision, ...judgement } : expect.fail(judgement.message);
const FIRST = acceptedOf(first, await judgeNext(TRUST, { accepted: undefined }, { revision: first, from: null, chain: [first] }, context));

const quiet = (): void => undefined;
const logger = createLogger({ name: 'test', level: 'silent' });

const open = (trust: TrustConfig = TRUST) => {
  const refusals: string[] = [];
  const maps: ConfigMap[] = [];
  const client = {
    apply: async (_kind: unknown, body: ConfigMap) => {
      maps.push(body);
    },
  } as unknown as KubeClient;
  const newest = new NewestCommit({
    client,
    clock: systemClock,
    random: Math.random,
    logger,
    verify: { trust, held: new ObjectStore() },
    onRefused: (_revision, { reason }) => refusals.push(reason.code ?? reason.message),
    onStored: quiet,
  });
  const show = (advance: Advance): Promise<void> => {
    newest.offer(advance);
    return newest.verifyOffered();
  };
  return { newest, refusals, maps, show };
};

/** An agent that has the first commit in force and was shown the removal of the key. */
const openAhead = async () => {
  const opened = open();
  opened.newest.restore(FIRST, undefined);
  await opened.show(advanceTo(removal));
  expect([opened.newest.known.ahead?.revision, opened.refusals]).toEqual([removal, []]);
  return opened;
};

describe('an agent whose commit waits for its wave', () => {
  it('takes commits by a key until it was shown that the key is removed', async () => {
    const { newest, show } = open();
    newest.restore(FIRST, undefined);
    expect([await codeOf(newest, fork), await codeOf(newest, byEve)]).toEqual(['taken', 'taken']);
    await show(advanceTo(removal));
    expect([await codeOf(newest, fork), await codeOf(newest, byEve)]).toEqual(['chain-incomplete', 'signer-unknown']);
  });

  it('takes a commit that leads to the newest one if its key counts there, and continues from it', async () => {
    const { newest, show } = await openAhead();
    expect(await codeOf(newest, byBob)).toBe('taken');
    newest.noteAccepted(acceptedOf(byBob, await judge(newest, byBob)));
    expect(newest.known).toMatchObject({ accepted: { revision: byBob }, ahead: { revision: removal, path: [removal] } });
    await show(advanceTo(next, byBob));
    expect(newest.known.ahead).toMatchObject({ revision: next, path: [removal, next] });
    expect([await codeOf(newest, removal, byBob), await codeOf(newest, fork)]).toEqual(['taken', 'chain-incomplete']);
    newest.noteAccepted({ ...FIRST, revision: next });
    expect(newest.known.ahead).toBeUndefined();
  });

  it('takes what follows the newest commit by the signers of that', async () => {
    const { newest } = await openAhead();
    expect([await codeOf(newest, next, removal), await codeOf(newest, removal), await codeOf(newest, first)]).toEqual([
      'taken',
      'taken',
      'taken',
    ]);
    const late = commit([removal], eve, WITHOUT_EVE);
    const judgement = await judgeNext(TRUST, newest.known, { revision: late, from: removal, chain: [late] }, context);
    expect(judgement).toMatchObject({ ok: false, code: 'signer-unknown' });
  });

  it('refuses to be shown a fork, a commit of a stranger, or one whose objects are not there', async () => {
    const { newest, refusals, show } = await openAhead();
    const stranger = commit([removal], makeKey(), WITHOUT_EVE);
    await show(advanceTo(fork));
    await show({ ...advanceTo(removal), revision: stranger, anchor: removal, chain: [stranger] });
    await show({ ...advanceTo(next, removal), objects: [] });
    const [object] = advanceTo(next, removal).objects;
    await show({ ...advanceTo(next, removal), objects: object ? [{ ...object, id: next }] : [] });
    expect(refusals).toEqual(['chain-incomplete', 'signer-unknown', 'chain-incomplete', 'object-altered']);
    expect(newest.known.ahead?.revision).toBe(removal);
  });

  it('lets a commit that waits for an approval go once its key is taken out', async () => {
    const { newest, show } = open();
    newest.restore(FIRST, undefined);
    const offer = (revision: string) => ({ revision, objects: box.objects });
    expect(await newest.distrusts(offer(byEve))).toBe(false);
    await show(advanceTo(removal));
    expect([await newest.distrusts(offer(byEve)), await newest.distrusts(offer(byBob))]).toEqual([true, false]);
  });

  it('is not moved by an older commit, nor before it has one in force', async () => {
    const { newest, refusals, show } = await openAhead();
    await show(advanceTo(byBob));
    await show(advanceTo(removal));
    expect([newest.known.ahead?.revision, refusals]).toEqual([removal, []]);
    const opened = open();
    await opened.show(advanceTo(removal));
    expect([opened.newest.known, opened.refusals]).toEqual([{ accepted: undefined, ahead: undefined }, []]);
  });
});

describe('the stored newest commit', () => {
  it('is known after a restart, also where another commit came into force meanwhile', async () => {
    const { newest, maps } = await openAhead();
    const ending = new AbortController();
    const running = newest.run(ending.signal).catch(quiet);
    await eventually(() => newest.stored === removal);
    ending.abort();
    await running;
    const stored = readAhead(maps[0] ?? expect.fail('nothing is stored'));
    const restarted = open().newest;
    restarted.restore(FIRST, stored);
    expect([restarted.stored, await codeOf(restarted, byEve), await codeOf(restarted, byBob)]).toEqual([
      removal,
      'signer-unknown',
      'taken',
    ]);
    const reconfigured = open({ mode: 'strict', signers: parseSigners({ allowedSigners: WITHOUT_EVE.allowed_signers }) }).newest;
    reconfigured.restore(FIRST, stored);
    expect(reconfigured.known.ahead).toBeUndefined();
    for (const [accepted, ahead] of [
      [byBob, removal],
      [removal, undefined],
      [next, undefined],
    ] as const) {
      const other = open().newest;
      other.restore({ ...FIRST, revision: accepted }, stored);
      expect(other.known.ahead?.revision).toBe(ahead);
    }
  });

  it('counts as none where it cannot be read', () => {
    const texts = ['', '{', '{}', JSON.stringify({ revision: removal, path: [] })];
    expect(texts.map((verified) => readAhead({ data: { verified } } as unknown as ConfigMap))).toEqual(texts.map(() => undefined));
    expect(readAhead({} as ConfigMap)).toBeUndefined();
  });
});
