import { type Clock, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
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

describe('requests to an agent', () => {
  it('are answered each by its own response', async () => {
    const { clock } = startClock();
    const inspections = new Inspections();
    const sent: unknown[] = [];
    const ask = (policy: string) => inspections.ask({ policy }, (frame) => void sent.push(frame), { clock, signal: open });
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
    const asking = inspections.ask({}, (frame) => void sent.push(frame), { clock, signal: open });
    expect(sent).toEqual([{ type: 'locate', id: 1 }]);
    inspections.take({ type: 'inspected', id: 1, report: null });
    inspections.take({ type: 'located', id: 1, processing: PROCESSING });
    expect(await asking).toEqual({ processing: PROCESSING });
  });

  it('are given up without a response, and only a bounded number wait', async () => {
    const { clock, pass } = startClock();
    const inspections = new Inspections();
    const ask = () => inspections.ask({ policy: 'a' }, () => undefined, { clock, signal: open });
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
    ask: async (name: string, { policy }: AgentQuestion) => {
      asked.push(`${name} at the hub of ${cluster}`);
      if (name === 'silent') return undefined;
      return policy === undefined ? { processing: PROCESSING } : { report: policyReport('a') };
    },
  });

  it('is reached through that hub', async () => {
    let answer: (question: string) => Promise<string | undefined> = async () => undefined;
    const onAsked = (handler: typeof answer): void => {
      answer = handler;
    };
    const other = new Inspector(here('eu'), { ask: async () => undefined, onAsked });
    const own = new Inspector(here('silent'), { ask: (question) => answer(question), onAsked: () => undefined });
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
    const own = new Inspector(here('eu'), { ask, onAsked: () => undefined });
    expect(await Promise.all([own.inspect('us', 'a'), own.inspect('us', 'a'), own.inspect('us', 'b')])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(questions).toBe(2);
  });
});
