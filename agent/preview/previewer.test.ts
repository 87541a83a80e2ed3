import { type ClusterPreview, PREVIEW_MS } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_AN_HOUR, MAX_COST } from './previewer.ts';
import { MAX_SIDE_POLICIES } from './question.ts';
import { CENTRAL, denying, PreviewedCluster, put, questionOf, WEST } from './testing/previewed-cluster.ts';

let cluster: PreviewedCluster;

beforeEach(() => {
  cluster = new PreviewedCluster();
});

const EU = [WEST, CENTRAL];
const reasonOf = (answer: ClusterPreview) => (answer.state === 'NotAnswered' ? answer.reason : answer.state);

describe('a question', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => [`p${index}`, denying(`ns-${index}-*`, EU)] as const);

  it('is not answered where that is turned off', async () => {
    expect(await cluster.ask({}, { previewer: cluster.open({ mode: 'off' }) })).toMatchObject({ state: 'NotAnswered', reason: 'Off' });
  });

  it('is not answered from another list', async () => {
    for (const list of [null, 'b'.repeat(64)]) expect(reasonOf(await cluster.ask({ list }))).toBe('OtherList');
    cluster.accept({}, 'c'.repeat(64));
    expect(reasonOf(await cluster.ask({ list: 'c'.repeat(64) }))).toBe('Answered');
  });

  it('is not answered once another list was accepted meanwhile', async () => {
    for (let index = 0; index < 50; index += 1) cluster.addNamespace(`n-${index}`);
    const asking = cluster.open().answer(questionOf({}), () => true);
    cluster.accept({}, 'b'.repeat(64));
    let answer: ClusterPreview | undefined;
    void asking.then((frame) => (answer = frame.answer));
    while (answer === undefined) await cluster.clock.advance(50);
    expect(reasonOf(answer)).toBe('OtherList');
  });

  it('is not answered while the cluster is not observed', async () => {
    cluster.ages = { ...cluster.ages, outOfDate: ['Pod'] };
    expect(await cluster.ask()).toMatchObject({ reason: 'NotObserved', message: expect.stringContaining('Pod') });
    cluster.ages = { ...cluster.ages, outOfDate: [] };
    cluster.ownersProblem = 'not read now: jobs';
    expect(await cluster.ask()).toMatchObject({ reason: 'NotObserved', message: expect.stringContaining('jobs') });
  });

  it.each([
    ['a spec that is none', { targetNamespace: 'a' }, 'Invalid'],
    ['a reference that only a repository knows', { targetNamespace: 'a b', allowedRegions: ['x'] }, 'Invalid'],
    [
      'a spec with more values than any has',
      { targetNamespace: 'a', allowedRegions: Array.from({ length: 20_000 }, () => 'x') },
      'TooLarge',
    ],
  ])('is refused for %s', async (_what, spec, reason) => {
    expect(await cluster.ask({ put: [{ name: 'p', spec }] })).toMatchObject({ reason, message: expect.stringMatching(/^policy p: /) });
  });

  it('is refused for more policies than are compared', async () => {
    cluster.accept(Object.fromEntries(many(MAX_SIDE_POLICIES)));
    expect(reasonOf(await cluster.ask({ put: put(['finance', 'finance', EU]) }))).toBe('TooLarge');
  });

  it('is given up once it has cost what an answer may', async () => {
    for (let index = 0; index < 40_000; index += 1) cluster.addNode(`n-${index}`, WEST);
    for (let index = 0; index < MAX_COST / 40_000; index += 1) cluster.addOwner('Deployment', `finance/d-${index}`, undefined);
    const question = { put: put(['finance', 'finance', EU]) };
    expect(reasonOf(await cluster.ask(question))).toBe('TooLarge');
    expect(reasonOf(await cluster.ask({ put: put(['hr', 'hr', EU]) }))).toBe('Answered');
  });

  it('is one at a time, and 30 an hour', async () => {
    const previewer = cluster.open();
    cluster.addNamespace('finance');
    const first = previewer.answer(questionOf({ put: put(['finance', 'finance', EU]) }), () => true);
    expect(reasonOf((await previewer.answer(questionOf({}), () => true)).answer)).toBe('Busy');
    let isDone = false;
    void first.then(() => (isDone = true));
    while (!isDone) await cluster.clock.advance(50);
    for (let asked = 1; asked < MAX_AN_HOUR; asked += 1) expect(reasonOf(await cluster.ask({}, { previewer }))).toBe('Answered');
    expect(reasonOf(await cluster.ask({}, { previewer }))).toBe('TooMany');
    await cluster.clock.advance(3_600_000);
    expect(reasonOf(await cluster.ask({}, { previewer }))).toBe('Answered');
    expect(await cluster.outcomes()).toEqual({ Answered: 31, Busy: 1, TooMany: 1 });
  });

  it('waits while writes do that enforce, and is given up after a while', async () => {
    for (let index = 0; index < 50; index += 1) cluster.addNamespace(`n-${index}`);
    cluster.isEnforcing = true;
    let answer: ClusterPreview | undefined;
    void cluster
      .open()
      .answer(questionOf({}), () => true)
      .then((frame) => (answer = frame.answer));
    await cluster.clock.advance(1_000);
    expect(answer).toBeUndefined();
    cluster.isEnforcing = false;
    while (answer === undefined) await cluster.clock.advance(50);
    expect(reasonOf(answer)).toBe('Answered');
    cluster.isEnforcing = true;
    expect(reasonOf(await cluster.ask())).toBe('GaveUp');
  });

  it.each([
    ['there is much to look at', 5_000, false],
    ['writes wait all the time', 50, true],
  ])('is given up before the hub stops waiting where %s, and keeps no other one busy', async (_why, namespaces, isEnforcing) => {
    for (let index = 0; index < namespaces; index += 1) cluster.addNamespace(`n-${index}`);
    const previewer = cluster.open();
    cluster.isEnforcing = isEnforcing;
    let answer: ClusterPreview | undefined;
    void previewer.answer(questionOf({}), () => true).then((frame) => (answer = frame.answer));
    await cluster.clock.advance(PREVIEW_MS - 1);
    expect(answer).toMatchObject({ reason: 'GaveUp' });
    expect(reasonOf(await cluster.ask({}, { previewer }))).toBe('GaveUp');
  });

  it('is given up when the cluster is no longer observed, or the hub no longer waits for the answer', async () => {
    for (let index = 0; index < 50; index += 1) cluster.addNamespace(`n-${index}`);
    expect(reasonOf(await cluster.ask({}, { isWanted: () => false }))).toBe('GaveUp');
    let looks = 0;
    const observatory = {
      snapshot: () => cluster.observatory.snapshot(),
      ages: () => ({ ...cluster.ages, outOfDate: looks++ === 0 ? [] : ['Pod' as const] }),
    };
    expect(reasonOf(await cluster.ask({}, { previewer: cluster.open({ observatory }) }))).toBe('GaveUp');
  });

  it('pauses after every few steps', async () => {
    for (let index = 0; index < 100; index += 1) cluster.addNamespace(`n-${index}`);
    const began = cluster.clock.now().getTime();
    await cluster.ask();
    // A look at the clock takes a millisecond here, and a slice one.
    expect(cluster.clock.now().getTime() - began).toBeGreaterThanOrEqual(100 * 2);
  });

  it('pauses for twice the time that a long step took', async () => {
    cluster.accept({ finance: denying('finance', EU) });
    for (let index = 0; index < 20; index += 1) cluster.addOwner('Deployment', `finance/d-${index}`, undefined);
    let workMs = 0;
    const answer = (): undefined => {
      cluster.clock.work(30);
      workMs += 30;
    };
    const began = cluster.clock.now().getTime();
    await cluster.ask({ put: put(['finance', 'finance', [WEST]]) }, { previewer: cluster.open({ dryRuns: { answer } }) });
    expect(workMs).toBeGreaterThanOrEqual(20 * 30);
    expect(cluster.clock.now().getTime() - began).toBeGreaterThanOrEqual(2 * workMs);
  });

  it('is given up once its globs cost too much, by exclusions and regions', async () => {
    const names = (prefix: string) => Array.from({ length: 100 }, (_, index) => `${prefix}-${index}`);
    for (let index = 0; index < 250; index += 1) cluster.addNamespace(`n-${index}`);
    const spec = denying('*', names('region'), { excludedNamespaces: names('other') });
    const costly = (count: number) => ({ put: Array.from({ length: count }, (_, index) => ({ name: `p-${index}`, spec })) });
    // By a clock that stands still only the cost counts.
    const previewer = cluster.open({ clock: new FakeClock() });
    expect(reasonOf(await cluster.ask(costly(100), { previewer }))).toBe('Answered');
    expect(reasonOf(await cluster.ask(costly(500), { previewer }))).toBe('TooLarge');
  });

  it('is an event without its texts, and leaves none of them in the log', async () => {
    const secret = { name: 'planted-name', spec: { ...denying('planted-target', ['planted-region']), description: 'planted text' } };
    const previewer = cluster.open();
    await cluster.ask({ put: [secret], removed: ['planted-removal'], withoutRegions: ['planted-loss'] }, { previewer });
    await cluster.ask({ put: [{ ...secret, spec: { planted: true } }] }, { previewer });
    expect(cluster.events.map(({ severity, reason, message }) => `${severity} ${reason}: ${message}`)).toEqual([
      'info PreviewAsked: the hub asked what 1 other and 1 removed policies would do to the workloads here: Answered',
      'info PreviewAsked: the hub asked what 1 other and 0 removed policies would do to the workloads here: Invalid',
    ]);
    expect(JSON.stringify([cluster.events, cluster.logged])).not.toContain('planted');
  });

  it('is answered where the work fails, without the text of the error in the log', async () => {
    const previewer = cluster.open({
      injects: () => {
        throw new TypeError('planted');
      },
    });
    expect(reasonOf(await cluster.ask({}, { previewer }))).toBe('GaveUp');
    expect(cluster.logged.join()).toContain('TypeError');
    expect(cluster.logged.join()).not.toContain('planted');
    expect(reasonOf(await cluster.ask({}, { previewer: cluster.open() }))).toBe('Answered');
  });

  it('is an event 40 times, then 40 times an hour', async () => {
    const previewer = cluster.open({ mode: 'off' });
    for (let asked = 0; asked < 200; asked += 1) await previewer.answer(questionOf({}), () => true);
    expect([cluster.events.length, await cluster.outcomes()]).toEqual([40, { Off: 200 }]);
  });
});
