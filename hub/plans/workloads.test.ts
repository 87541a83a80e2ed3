import type { AnsweredPreview, ClusterPreview, PreviewedOwner } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/waiting.ts';
import type { NoPreview } from '../delivery/index.ts';
import { askAgents, joinAnswers } from './workloads.ts';

const signal = new AbortController().signal;
const owner = (name: string, ...policies: string[]): PreviewedOwner => ({
  kind: 'Deployment',
  namespace: 'finance',
  name,
  reason: 'spec.nodeSelector allows region "us-east-1"',
  fix: 'confine it',
  policies,
});
const classOf = (owners?: PreviewedOwner[]) => ({ now: 7, after: 8, begins: 2, ends: 1, ...(owners && { owners }) });
const answered = (owners?: PreviewedOwner[]): AnsweredPreview => ({
  state: 'Answered',
  observedAt: '2026-06-01T00:00:00.000Z',
  lookedAt: { namespaces: 1, owners: 9, pods: 10 },
  omitted: 3,
  outside: classOf(owners),
  refused: classOf(owners),
  pending: classOf(),
});
const questionFor = (clusters: string[], text = '{}') => ({ clusters, text, names: null });

/** The workloads of a plan for which agents answer by cluster. */
const joined = async (answers: Readonly<Record<string, ClusterPreview | NoPreview>>, names: ReadonlyMap<string, string> | null = null) => {
  const preview = async (cluster: string) => answers[cluster] ?? 'NotConnected';
  const questions = [{ ...questionFor(Object.keys(answers)), names }];
  return joinAnswers(await askAgents(questions, { preview }, { clock: systemClock, signal }), new Map([['new', 'NotConnected']]));
};

describe('answers of agents', () => {
  it('are joined by cluster, and those without one are named by reason, never counted', async () => {
    const workloads = await joined({
      us: answered([owner('api', 'finance')]),
      eu: answered(),
      off: { state: 'NotAnswered', reason: 'Off', message: 'a text of the agent' },
      stopped: 'NoAnswer',
      gone: 'NotConnected',
    });
    expect(workloads.clusters.map(({ cluster, lookedAt, refused }) => [cluster, lookedAt?.owners, refused.owners?.length])).toEqual([
      ['eu', 9, undefined],
      ['us', 9, 1],
    ]);
    expect(workloads.notAnswered.map(({ clusters, reason }) => [reason, clusters])).toEqual([
      ['NoAnswer', ['stopped']],
      ['NotConnected', ['gone', 'new']],
      ['Off', ['off']],
    ]);
    expect(JSON.stringify(workloads)).not.toContain('a text of the agent');
  });

  it('show a caller who sees a part its own owners, and no count of the whole cluster', async () => {
    const names = new Map([
      ['finance', 'finance'],
      ['plan-0', 'mine'],
    ]);
    const eu = answered([owner('seen', 'secret', 'finance'), owner('hidden', 'secret'), owner('new', 'plan-0')]);
    const [cluster] = (await joined({ eu }, names)).clusters;
    expect(cluster).toMatchObject({ lookedAt: null, omitted: null, refused: { now: null, after: null, begins: 2, ends: 1 } });
    expect(cluster?.refused.owners?.map(({ name, policies }) => [name, policies])).toEqual([
      ['seen', ['finance']],
      ['new', ['mine']],
    ]);
  });

  it.each([
    [9, 0, 'Whole'],
    [9, 3, 'Part'],
    [0, 0, 'None'],
  ])('give a caller who sees a part their coverage: %i namespaces, %i owners left out', async (namespaces, omitted, coverage) => {
    const eu = { ...answered(), lookedAt: { namespaces, owners: 9, pods: 10 }, omitted };
    const { clusters } = await joined({ eu }, new Map([['finance', 'finance']]));
    expect(clusters).toMatchObject([{ coverage, lookedAt: null, omitted: null }]);
  });

  it.each([
    ['everything', null],
    ['a part', new Map([['finance', 'finance']])],
  ])('name 3,000 owners in all, with bounded texts, to a caller who sees %s; counts stay whole', async (_what, names) => {
    const long = { reason: 'r'.repeat(512), fix: 'f'.repeat(512) };
    const owners = Array.from({ length: 200 }, (_, at) => ({ ...owner(`o${at}`, ...Array(20).fill('finance')), ...long }));
    // What the caller does not see takes no place of what it sees.
    const hidden = names === null ? [] : [owner('hidden', 'secret')];
    const large = { ...classOf([...hidden, ...owners.slice(hidden.length)]), begins: 600 };
    const answer = { ...answered(), outside: large, refused: large, pending: large };
    const clusters = Array.from({ length: 70 }, (_, at) => `c${at}`);
    const workloads = await joined(Object.fromEntries(clusters.map((name) => [name, answer])), names);
    const classes = workloads.clusters.flatMap(({ outside, refused, pending }) => [outside, refused, pending]);
    expect(classes.map((each) => [each.begins, each.owners?.length])).toEqual(Array(210).fill([600, 14]));
    const kept = classes.flatMap((each) => each.owners ?? []);
    expect(kept[0]?.name).toBe(names === null ? 'o0' : 'o1');
    expect(Math.max(...kept.map(({ reason, fix, policies }) => Math.max(reason.length, fix.length, policies.join('').length)))).toBe(256);
    expect(new Set(kept.map(({ policies }) => policies.length))).toEqual(new Set([5]));
  });
});

describe('asking agents', () => {
  const clusters = Array.from({ length: 100 }, (_, at) => `c${at}`);

  it('asks 32 at a time, and fewer where questions are large', async () => {
    for (const [text, most] of [
      ['{}', 32],
      ['x'.repeat(4 * 1024 * 1024), 8],
    ] as const) {
      let [open, highest] = [0, 0];
      const preview = async (): Promise<NoPreview> => {
        open += 1;
        highest = Math.max(highest, open);
        await new Promise((resolve) => setImmediate(resolve));
        open -= 1;
        return 'NotConnected';
      };
      expect((await askAgents([questionFor(clusters, text)], { preview }, { clock: systemClock, signal })).length).toBe(100);
      expect(highest).toBe(most);
    }
  });

  it('distinguishes agents that give no answer in time from agents that are not asked', async () => {
    const clock = new FakeClock();
    const preview = async (cluster: string): Promise<NoPreview> => (cluster === 'c99' ? 'NoAnswer' : new Promise(() => undefined));
    const asking = askAgents([questionFor(clusters)], { preview }, { clock, signal });
    await eventually(() => clock.sleeping === 32);
    await clock.advance(30_000);
    expect((await asking).map(({ kept }) => kept)).toEqual([...Array(32).fill('NoAnswer'), ...Array(68).fill('NotAsked')]);
  });

  it('gives up the questions that still wait when its caller leaves, or its time is over', async () => {
    for (const end of ['caller', 'time']) {
      const clock = new FakeClock();
      const gone = new AbortController();
      const callers: AbortSignal[] = [];
      const preview = (_cluster: string, _question: string, caller: AbortSignal): Promise<NoPreview> => {
        callers.push(caller);
        return new Promise(() => undefined);
      };
      const asking = askAgents([questionFor(clusters)], { preview }, { clock, signal: gone.signal }).catch(() => undefined);
      await eventually(() => clock.sleeping === 32);
      expect(callers.some(({ aborted }) => aborted)).toBe(false);
      if (end === 'time') await clock.advance(30_000);
      else gone.abort();
      await asking;
      expect(callers.map(({ aborted }) => aborted)).toEqual(Array(32).fill(true));
    }
  });

  it.each([100, 2])('ends with its caller while %i clusters are asked', async (number) => {
    const gone = new AbortController();
    const asking = askAgents(
      [questionFor(clusters.slice(0, number))],
      { preview: () => new Promise(() => undefined) },
      { clock: systemClock, signal: gone.signal },
    );
    gone.abort(new Error('the caller left'));
    await expect(asking).rejects.toThrow('the caller left');
  });
});
