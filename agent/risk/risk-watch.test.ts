import type { KubeObject } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { createLogger } from '@fso/shared/runtime';
import { beforeEach, expect, it } from 'vitest';
import type { Governance } from '../enforce/index.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import { reduceOwner } from './owners/reduce-owner.ts';
import { RiskWatch } from './risk-watch.ts';

/** A clock by which each step of work takes a millisecond. */
class WorkClock extends FakeClock {
  #workMs = 0;
  override monotonicMs(): number {
    this.#workMs += 1;
    return super.monotonicMs() + this.#workMs;
  }
}

const SHOWN_MS = 120_000;
const deny = { regions: ['eu-west-1'], policies: ['p'], revisions: ['-'] };
const governance = {
  namespaces: new Map([['a', { namespace: 'a', actions: { deny }, policies: ['p'], injection: false }]]),
  policies: new Map([['p', { kind: 'governing', regions: deny.regions, namespaces: ['a'], conflicts: [] }]]),
} as unknown as Governance;

let clock: WorkClock;
let owners: OwnerSet;
let problem: string | undefined;
let rounds: number;
/** Number of times that the owners of the namespace were asked for. */
let looks: number;
let watch: RiskWatch;

const make = (count: number): OwnerSet => {
  const reduce = reduceOwner('Deployment');
  const named = Array.from({ length: count }, (_, n) => {
    const object = { metadata: { name: `d${n}`, namespace: 'a', uid: `${n}` }, spec: { template: { spec: {} } } };
    return [`d${n}`, reduce(object as unknown as KubeObject)] as const;
  });
  return new Map([['Deployment', new Map(named)]]);
};

beforeEach(() => {
  clock = new WorkClock();
  owners = make(100);
  problem = undefined;
  rounds = 0;
  looks = 0;
  const never = () => () => undefined;
  watch = new RiskWatch({
    owners: {
      ownersIn: () => {
        looks += 1;
        return owners;
      },
      get problem() {
        return problem;
      },
      leftOut: new Map([['many', 7]]),
      subscribe: never,
    },
    webhooks: { fingerprint: '', subscribe: never },
    shapes: { in: () => ({ apartFrom: () => [] }), versionIn: () => deny, forgotten: undefined, subscribe: never },
    view: { places: { facts: [] } },
    dryRuns: { expect: () => undefined, answer: () => undefined, answersIn: () => deny },
    injects: () => false,
    clock,
    logger: createLogger({ name: 'test', level: 'silent' }),
    shownMs: SHOWN_MS,
    wake: () => (rounds += 1),
  });
});

const anotherCommit = (): Governance => ({
  ...governance,
  namespaces: new Map([...governance.namespaces].map(([name, each]) => [name, { ...each }])),
});

const refused = (by = governance): number | 'recent' | undefined => {
  const { policies } = watch.look(by);
  const risks = policies instanceof Map ? policies.get('p') : policies;
  return typeof risks === 'object' ? risks.refused : risks;
};

it('keeps no round waiting: it judges in slices beside them, and asks for one once all is judged', async () => {
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  const before = clock.monotonicMs();
  expect(refused()).toBe('recent');
  expect(clock.monotonicMs() - before).toBeLessThan(10);
  expect(watch.look(governance).problem).toEqual({ text: 'those of 1 policies are being judged', isPartial: false });
  for (let n = 0; rounds === 0 && n < 1_000; n += 1) await clock.advance(100);
  expect([refused(), rounds]).toEqual([100, 1]);
  expect(watch.look(governance).problem).toMatchObject({
    text: expect.stringContaining('many has more than its share (7)'),
    isPartial: true,
  });
  // Nothing changes, so that no round is asked for.
  await clock.advance(10_000);
  expect(rounds).toBe(1);
  stop.abort();
  await running;
});

it('shows what was known for two minutes while nothing is known, and nothing after that', async () => {
  problem = 'not read now: jobs';
  const unread = { text: problem, isPartial: false };
  expect(watch.look(governance)).toEqual({ policies: 'recent', problem: unread });
  await clock.advance(SHOWN_MS);
  expect(watch.look(governance)).toEqual({ policies: undefined, problem: unread });
  problem = undefined;
  expect(refused()).toBeUndefined();
});

it('is unknown, and not in part, for as long as risks are being judged', async () => {
  for (let n = 0; n < 14; n += 1) {
    // Another commit each time, before all is judged.
    owners = make(100);
    const { problem: reason } = watch.look(anotherCommit());
    expect(reason).toEqual({ text: 'those of 1 policies are being judged', isPartial: false });
    await clock.advance(10_000);
  }
  expect(refused(anotherCommit())).toBeUndefined();
});

it('asks for the owners of namespaces once for each change, and not at each slice', async () => {
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  refused();
  looks = 0;
  watch.judgeSoon();
  for (let n = 0; rounds === 0 && n < 1_000; n += 1) await clock.advance(100);
  expect([rounds, looks]).toEqual([1, 1]);
  stop.abort();
  await running;
});

it('shows the reason while risks cannot be found, and finds them again', async () => {
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  owners = undefined as never;
  expect(watch.look(governance).problem?.text).toContain('they cannot be found');
  owners = make(3);
  for (let n = 0; refused() !== 3 && n < 1_000; n += 1) await clock.advance(1_000);
  expect(refused()).toBe(3);
  stop.abort();
  await running;
});
