import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FoundRisk } from '../risk/index.ts';
import { refusedIn } from './event-watch.ts';
import { type ClockReading, NamedDenials } from './named-denials.ts';

const MINUTE = 60_000;
const at = (minute: number): ClockReading => ({ atMs: minute * MINUTE, now: new Date(minute * MINUTE) });
const POLICIES = ['finance', 'hr', 'p3', 'p4', 'p5', 'p6'];
const owner = (name: string, namespace = 'a') => ({ kind: 'Deployment', namespace, name });

let named: NamedDenials;
let refused: Map<string, FoundRisk['risk']['confirmation']>;
beforeEach(() => {
  named = new NamedDenials();
  refused = new Map();
});

const refusedOwnersIn = (namespace: string): FoundRisk[] =>
  [...refused].map(([name, confirmation]) => ({
    risk: { risk: 'Refused', ...owner(name, namespace), reason: 'no region', fix: 'add it', confirmation },
    policies: POLICIES,
    isUntried: false,
  }));

const see = (name: string, minute = 0, times = 1, namespace = 'a'): void => {
  for (let count = 0; count < times; count += 1) named.see(owner(name, namespace), at(minute));
};
const counts = (total: number | undefined, minute: number): Record<string, number | undefined> => {
  named.confirm(refusedOwnersIn, at(minute));
  const most = total === undefined ? undefined : { total, isLowerBound: false };
  return Object.fromEntries(named.list(most, minute * MINUTE).map(({ name, count }) => [name, count]));
};

describe('owners of refused pods', () => {
  it('are those whose own dry run was refused, with the failing term and the line that mends it', () => {
    refused.set('web', 'Confirmed');
    see('web', 0, 3);
    named.confirm(refusedOwnersIn, at(1));
    expect(named.list({ total: 10, isLowerBound: false }, MINUTE)).toEqual([
      {
        ...owner('web'),
        count: 3,
        since: at(1).now.toISOString(),
        last: at(0).now.toISOString(),
        reason: 'no region',
        fix: 'add it',
        policies: POLICIES,
      },
    ]);
  });

  it('leave out owners whose dry run is admitted, however many events are forged about them', () => {
    see('fine', 0, 500);
    expect(counts(1_000, 1)).toEqual({});
    expect(counts(1_000, 6)).toEqual({});
    // By now they are forgotten.
    refused.set('fine', 'Confirmed');
    expect(counts(1_000, 7)).toEqual({});
  });

  it('wait until the dry run was made', () => {
    refused.set('web', 'Unconfirmed');
    see('web', 0, 2);
    expect(counts(10, 1)).toEqual({});
    refused.set('web', 'Confirmed');
    expect(counts(10, 2)).toEqual({ web: 2 });
  });

  it('stay for an hour after their template was mended', () => {
    refused.set('web', 'Confirmed');
    see('web', 0, 2);
    expect(counts(2, 1)).toEqual({ web: 2 });
    refused.clear();
    see('web', 10, 5);
    expect(counts(2, 30)).toEqual({ web: 2 });
    expect(counts(2, 70)).toEqual({});
  });

  it('share what the API server counted, so that one that is written about too often takes nothing from the others', () => {
    for (const name of ['loud', 'one', 'two']) refused.set(name, 'Confirmed');
    see('loud', 0, 10_000);
    see('one', 0, 3);
    see('two', 0, 5);
    expect(counts(20, 1)).toEqual({ loud: 12, one: 3, two: 5 });
    expect(counts(0, 1)).toEqual({});
    expect(counts(undefined, 1)).toEqual({ loud: undefined, one: undefined, two: undefined });
  });

  it('stay listed without a count where none is left of a total that is a lower bound', () => {
    for (const name of ['one', 'two']) refused.set(name, 'Confirmed');
    see('one', 0, 3);
    see('two', 0, 5);
    named.confirm(refusedOwnersIn, at(1));
    const counted = (total: number) => named.list({ total, isLowerBound: true }, MINUTE).map(({ name, count }) => [name, count]);
    expect(counted(6)).toEqual([
      ['one', 3],
      ['two', 3],
    ]);
    expect(counted(0)).toEqual([
      ['one', undefined],
      ['two', undefined],
    ]);
  });

  it('together never have more than the API server counted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 30 }), fc.nat(2_000), (events, total) => {
        const all = new NamedDenials();
        for (const [index, times] of events.entries()) for (let count = 0; count < times; count += 1) all.see(owner(`o${index}`), at(0));
        const everyone = (namespace: string): FoundRisk[] =>
          events.map((_, index) => ({
            risk: { risk: 'Refused', ...owner(`o${index}`, namespace), reason: '', fix: '', confirmation: 'Confirmed' },
            policies: ['p'],
            isUntried: false,
          }));
        all.confirm(everyone, at(1));
        const sum = all.list({ total, isLowerBound: total % 2 === 0 }, MINUTE).reduce((before, { count = 0 }) => before + count, 0);
        expect(sum).toBeLessThanOrEqual(
          Math.min(
            total,
            events.reduce((before, times) => before + times, 0),
          ),
        );
      }),
    );
  });

  it('are bounded, in all and in a namespace', () => {
    for (let index = 0; index < 1_000; index += 1) see(`o${index}`);
    for (let index = 0; index < 1_000; index += 1) refused.set(`o${index}`, 'Confirmed');
    named.confirm(refusedOwnersIn, at(1));
    expect(named.list(undefined, MINUTE)).toHaveLength(500);
    for (let namespace = 0; namespace < 30; namespace += 1)
      for (let index = 0; index < 400; index += 1) see(`o${index}`, 1, 1, `n${namespace}`);
    named.confirm(refusedOwnersIn, at(1));
    expect(named.list(undefined, MINUTE)).toHaveLength(5_000);
    // One more takes the room of one of a namespace that has many.
    refused.set('late', 'Confirmed');
    see('late', 1, 1, 'late');
    named.confirm(refusedOwnersIn, at(1));
    expect(named.list(undefined, MINUTE).filter(({ namespace }) => namespace === 'late')).toHaveLength(1);
    expect(named.list(undefined, MINUTE)).toHaveLength(5_000);
    // Room comes back with the hour.
    named.confirm(refusedOwnersIn, at(70));
    see('o7', 70);
    expect(counts(1, 71)).toEqual({ o7: 1 });
  });
});

describe('an event', () => {
  const event = (more: object = {}) => ({
    metadata: { namespace: 'a', name: 'x' },
    involvedObject: { kind: 'ReplicaSet', namespace: 'b', name: 'web-1' },
    reason: 'FailedCreate',
    message:
      "(combined from similar events): Error creating: pods \"web-1-x\" is forbidden: ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: …",
    ...more,
  });

  it('names the object whose pod lock 1 refused, in the namespace of the event', () => {
    expect(refusedIn(event())).toEqual({ kind: 'ReplicaSet', namespace: 'a', name: 'web-1' });
  });

  it.each([
    ['of another policy', event({ message: "ValidatingAdmissionPolicy 'theirs' with binding 'fso-floor-pods-deny' denied request" })],
    ['of a quota', event({ message: 'pods "web" is forbidden: exceeded quota' })],
    ['of a binding', event({ message: "ValidatingAdmissionPolicy 'fso-floor-bindings-deny' denied request" })],
    ['without a message', event({ message: undefined })],
    ['about nothing', event({ involvedObject: null })],
    ['that is none', null],
  ])('%s is no denial', (_, value) => {
    expect(refusedIn(value)).toBeUndefined();
  });
});
