import { randomBytes } from 'node:crypto';
import { PREVIEW_MS } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { decodeHubFrame } from '@fso/shared/protocol';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { eventually } from '../../test/harness/waiting.ts';
import { clusterRecord } from '../serve/testing/fleet.ts';
import { type AgentQuestion, Inspections, Inspector } from './inspections.ts';

/** Clock that the test advances. */
const startClock = () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const clock: Clock = { ...systemClock, sleep: () => promise };
  return { clock, pass: resolve };
};
const open = new AbortController().signal;
const PROCESSING = {
  rows: [{ namespace: 'finance', policies: ['finance'], country: 'IE', provider: 'aws', region: 'eu-west-1', pods: 3 }],
  omitted: 0,
};

const QUESTION = JSON.stringify({ list: null, put: [], removed: ['finance'], at: null, withoutRegions: [] });
const REFUSED = { state: 'NotAnswered', reason: 'Off', message: 'off' } as const;

const senderTo = (take: (frame: string) => unknown) => ({ isBusy: false, send: (frame: string) => void take(frame) });

describe('requests to an agent', () => {
  it('are answered each by its own response', async () => {
    const { clock } = startClock();
    const inspections = new Inspections();
    const sent: unknown[] = [];
    const ask = (policy: string) =>
      inspections.ask(
        { policy },
        senderTo((frame) => sent.push(JSON.parse(frame))),
        { clock, signal: open },
      );
    const [first, second] = [ask('a'), ask('b')];
    expect(sent).toEqual([
      { type: 'inspect', id: 1, policy: 'a' },
      { type: 'inspect', id: 2, policy: 'b' },
    ]);
    inspections.take({ type: 'inspected', id: 7, report: policyReport('a') });
    inspections.take({ type: 'inspected', id: 1, report: policyReport('secret') });
    inspections.take({ type: 'inspected', id: 2, report: null });
    inspections.take({ type: 'inspected', id: 1, report: policyReport('a') });
    expect(await first).toEqual({ report: policyReport('a') });
    expect(await second).toEqual({ report: null });
  });

  it('ask where pods run, and take no report for it', async () => {
    const { clock } = startClock();
    const inspections = new Inspections();
    const sent: unknown[] = [];
    const asking = inspections.ask(
      {},
      senderTo((frame) => sent.push(JSON.parse(frame))),
      { clock, signal: open },
    );
    expect(sent).toEqual([{ type: 'locate', id: 1 }]);
    inspections.take({ type: 'inspected', id: 1, report: null });
    inspections.take({ type: 'located', id: 1, processing: PROCESSING });
    expect(await asking).toEqual({ processing: PROCESSING });
  });

  it('ask what a change would do, and take no other answer for it', async () => {
    const { clock } = startClock();
    const inspections = new Inspections();
    const sent: string[] = [];
    const asking = inspections.ask(
      { preview: QUESTION },
      senderTo((frame) => sent.push(frame)),
      { clock, signal: open },
    );
    await eventually(() => sent.length > 0);
    expect(sent.map((frame) => decodeHubFrame(frame))).toEqual([{ ok: true, frame: { type: 'preview', id: 1, ...JSON.parse(QUESTION) } }]);
    inspections.take({ type: 'located', id: 1, processing: PROCESSING });
    inspections.take({ type: 'inspected', id: 1, report: null });
    inspections.take({ type: 'previewed', id: 1, answer: REFUSED });
    expect(await asking).toEqual({ preview: REFUSED });
  });

  it('ask what a second change would do once the agent has answered for the first', async () => {
    const clock = new FakeClock();
    const inspections = new Inspections();
    const sent: string[] = [];
    const ask = () =>
      inspections.ask(
        { preview: QUESTION },
        senderTo((frame) => sent.push(frame)),
        { clock, signal: open },
      );
    const [first, second, third] = [ask(), ask(), ask()];
    await eventually(() => sent.length === 1 && clock.sleeping === 3);
    await clock.advance(PREVIEW_MS - 1);
    inspections.take({ type: 'previewed', id: 1, answer: REFUSED });
    await eventually(() => sent.length === 2);
    // The third one has waited for as long as an answer may take.
    await clock.advance(1);
    inspections.take({ type: 'previewed', id: 2, answer: REFUSED });
    expect(await Promise.all([first, second, third])).toMatchObject([
      { preview: REFUSED },
      { preview: REFUSED },
      { preview: { state: 'NotAnswered', reason: 'Busy' } },
    ]);
    const next = ask();
    await eventually(() => sent.length === 3);
    inspections.take({ type: 'previewed', id: 3, answer: REFUSED });
    expect(await next).toEqual({ preview: REFUSED });
  });

  it('are not sent once their callers have left, and hold up no others', async () => {
    const clock = new FakeClock();
    const inspections = new Inspections();
    const sent: string[] = [];
    const ask = (caller?: AbortSignal) =>
      inspections.ask(
        { preview: QUESTION },
        senderTo((frame) => sent.push(frame)),
        { clock, signal: open, caller },
      );
    const [asking, waiting] = [new AbortController(), new AbortController()];
    const [first, second, third] = [ask(asking.signal), ask(waiting.signal), ask()];
    await eventually(() => sent.length === 1 && clock.sleeping === 3);
    waiting.abort();
    expect(await second).toBeUndefined();
    // The agent is still at this one.
    asking.abort();
    inspections.take({ type: 'previewed', id: 1, answer: REFUSED });
    expect(await first).toEqual({ preview: REFUSED });
    await eventually(() => sent.length === 2);
    inspections.take({ type: 'previewed', id: 2, answer: REFUSED });
    expect(await third).toEqual({ preview: REFUSED });
    expect(await ask(waiting.signal)).toBeUndefined();
    expect(sent.length).toBe(2);
  });

  it('are not sent where the stream takes nothing large now', async () => {
    expect(
      await new Inspections().ask({ preview: QUESTION }, { isBusy: true, send: () => undefined }, { clock: new FakeClock(), signal: open }),
    ).toBeUndefined();
  });

  it('are given up without a response, and only a bounded number wait', async () => {
    const { clock, pass } = startClock();
    const inspections = new Inspections();
    const ask = () =>
      inspections.ask(
        { policy: 'a' },
        senderTo(() => undefined),
        { clock, signal: open },
      );
    const waiting = Array.from({ length: 8 }, ask);
    expect(await ask()).toBeUndefined();
    pass();
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 8 }, () => undefined));
    inspections.take({ type: 'inspected', id: 1, report: policyReport('a') });
  });
});

describe('an agent with its stream at another hub', () => {
  const asked: string[] = [];
  const here = (cluster: string) => ({
    holds: (name: string) => name === cluster,
    ask: async (name: string, { policy, preview }: AgentQuestion) => {
      asked.push(`${name} at the hub of ${cluster}`);
      if (name === 'silent') return undefined;
      if (preview !== undefined) return { preview: { ...REFUSED, message: `${preview.length} characters` } };
      return policy === undefined ? { processing: PROCESSING } : { report: policyReport('a') };
    },
  });

  it('is reached through that hub', async () => {
    let answer: (question: string) => Promise<string | undefined> = async () => undefined;
    const onAsked = (handler: typeof answer): void => {
      answer = handler;
    };
    const other = new Inspector(here('eu'), { ask: async () => undefined, onAsked, cluster: async () => null });
    const own = new Inspector(here('silent'), { ask: (question) => answer(question), onAsked: () => undefined, cluster: async () => null });
    expect(await own.inspect('eu', 'a')).toEqual(policyReport('a'));
    expect(await own.inspect('silent', 'a')).toBeUndefined();
    expect(await other.inspect('nowhere', 'a')).toBeUndefined();
    expect(asked).toEqual(['eu at the hub of eu', 'silent at the hub of silent']);
    expect(await own.locate('eu')).toEqual(PROCESSING);
    expect([await answer('{'), await answer('{"cluster":"eu","policy":7}')]).toEqual([undefined, undefined]);
  });

  it('is requested once for concurrent callers, and an invalid response counts as none', async () => {
    let questions = 0;
    const ask = async (): Promise<string> => {
      questions += 1;
      return '{"report":{"name":"a"}}';
    };
    const own = new Inspector(here('eu'), { ask, onAsked: () => undefined, cluster: async () => null });
    expect(await Promise.all([own.inspect('us', 'a'), own.inspect('us', 'a'), own.inspect('us', 'b')])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(questions).toBe(2);
  });

  it('is asked what a change would do, as far as the question fits into a notification of the database', async () => {
    let answer: (question: string) => Promise<string | undefined> = async () => undefined;
    const onAsked = (handler: typeof answer): void => {
      answer = handler;
    };
    const cluster = async (name: string) => (name === 'nowhere' ? null : clusterRecord(name, [], { connected: name !== 'gone' }));
    new Inspector(here('eu'), { ask: async () => undefined, onAsked, cluster });
    const sizes: number[] = [];
    const ask = async (question: string): Promise<string | undefined> => {
      sizes.push(question.length);
      return answer(question);
    };
    const own = new Inspector(here('silent'), { ask, onAsked: () => undefined, cluster });
    const large = JSON.stringify({ ...JSON.parse(QUESTION), removed: Array.from({ length: 1_000 }, (_, at) => `policy-${at}`) });
    for (const question of [QUESTION, large])
      expect(await own.preview('eu', question)).toEqual({ ...REFUSED, message: `${question.length} characters` });
    expect(sizes.every((size) => size < 7_500)).toBe(true);
    const incompressible = JSON.stringify({ list: randomBytes(7_000).toString('base64') });
    expect(await own.preview('eu', incompressible)).toBe('NotAsked');
    expect(await own.preview('eu', ' '.repeat(65 * 1024))).toBe('NotAsked');
    expect(await own.preview('silent', QUESTION)).toBe('NoAnswer');
    expect([await own.preview('gone', QUESTION), await own.preview('nowhere', QUESTION)]).toEqual(['NotConnected', 'NotConnected']);
  });
});
