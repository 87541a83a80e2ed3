import { FakeClock } from '@fso/shared/fake-clock';
import { approvalTag, revocationTag } from '@fso/shared/rollout';
import pino from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { ApprovalTags } from './approval-tags.ts';

const REVISION = '1'.repeat(40);
const signal = new AbortController().signal;
const idOf = (number: number): string => String(number).padStart(40, '0');

let clock: FakeClock;
/** Names of the tags that were asked for. */
let asked: string[];
/** Names of the tags that the server does not give. */
let broken: Set<string>;
let names: string[];
let tags: ApprovalTags;
let revision: string | null;

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  broken = new Set();
  names = [];
  revision = REVISION;
  const repository = {
    listTags: async (prefix: string) =>
      names
        .map((name, at) => ({ name: name.startsWith('fso/') ? name : approvalTag(REVISION, name), id: idOf(at) }))
        .filter(({ name }) => name.startsWith(prefix)),
    fetchTag: async (name: string) => {
      const short = name.replace(approvalTag(REVISION, ''), '');
      asked.push(short);
      if (broken.has(short)) throw Object.assign(new Error('no'), { code: 'HttpError', data: { statusCode: 500 } });
      return Buffer.from(short);
    },
  };
  tags = new ApprovalTags(repository, { clock, random: () => 0.5, logger: pino({ level: 'silent' }) });
  tags.follow(
    () => revision,
    () => undefined,
  );
});

/** Syncs as often as the source polls. @returns the tags that were asked for */
const poll = async (times: number): Promise<readonly string[]> => {
  asked = [];
  for (let time = 0; time < times; time += 1) {
    await tags.sync(signal);
    await clock.advance(5_000);
  }
  return asked;
};
const found = () => tags.of(REVISION)?.tags.map((tag) => Buffer.from(tag, 'base64').toString());

it('tries a tag that cannot be fetched with growing waits, and shows why it is not known', async () => {
  names = ['bad', 'good'];
  broken = new Set(['bad']);
  expect(await poll(1)).toEqual(['bad', 'good']);
  expect(found()).toEqual(['good']);
  expect(tags.problemsOf(REVISION)).toEqual([`the hub cannot fetch tag fso/approve/${REVISION}/bad: the Git server answered HTTP 500`]);
  expect(tags.problemsOf('2'.repeat(40))).toEqual([]);
  const tries: number[] = [];
  for (let hour = 0; hour < 3; hour += 1) tries.push((await poll(720)).length);
  // An hour is 720 polls; in the end 5 min lie between two tries, by this random.
  expect(tries).toEqual([15, 12, 12]);
  broken.clear();
  expect(await poll(60)).toEqual(['bad']);
  expect([found(), tags.problemsOf(REVISION)]).toEqual([['bad', 'good'], []]);
});

it('fetches the others while many cannot be fetched', async () => {
  names = [...Array.from({ length: 10 }, (_, at) => `bad${at}`), 'production+carol'];
  broken = new Set(names.slice(0, 10));
  await poll(2);
  expect(found()).toEqual(['production+carol']);
  expect(tags.problemsOf(REVISION).length).toBe(8);
});

it('tries one that was made again at once, and forgets all once nothing waits', async () => {
  names = ['bad'];
  broken = new Set(['bad']);
  await poll(3);
  names = ['other', 'bad'];
  expect(await poll(1)).toEqual(['bad', 'other']);
  revision = null;
  await poll(1);
  expect(tags.problemsOf(REVISION)).toEqual([]);
});

it('knows of a revocation that cannot be fetched, and forgets it with its commit', async () => {
  names = [revocationTag(REVISION, 'immediate'), 'good'];
  await poll(1);
  expect(tags.hasUnreadRevocation(REVISION)).toBe(false);
  names = [revocationTag(REVISION, 'production'), 'good', revocationTag(REVISION, 'canary')];
  broken = new Set([revocationTag(REVISION, 'canary')]);
  await poll(1);
  expect([tags.hasUnreadRevocation(REVISION), tags.hasUnreadRevocation('2'.repeat(40))]).toEqual([true, false]);
  revision = '2'.repeat(40);
  await poll(1);
  expect([tags.hasUnreadRevocation(REVISION), tags.problemsOf(revision)]).toEqual([false, []]);
});

it('asks once for one that no agent would take', async () => {
  names = ['x'.repeat(70_000)];
  expect(await poll(3)).toHaveLength(1);
});
