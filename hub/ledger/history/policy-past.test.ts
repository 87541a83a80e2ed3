import { isAsExpected, type PolicyReport, type PolicyState } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClusterPolicies, namedIn } from '../policies/index.ts';
import { cluster, KEYS, MAX_STEPS, ReportedFleet, steps, timeOf } from '../testing/reported-fleet.ts';
import type { ClusterRecord, HistoryChange, PolicyStateAt } from '../types.ts';
import { compactHistory } from './compact-history.ts';
import { findPolicyState, narrowHistory } from './policy-past.ts';

async function* inTurn(changes: readonly HistoryChange[]): AsyncGenerator<HistoryChange> {
  yield* changes;
}

const stateOf = (report: PolicyReport): PolicyState => ({
  phase: report.phase,
  conforms: isAsExpected(report) && report.phase !== 'Pending',
  violates: report.violations > 0,
  revision: report.revision ?? null,
});

/**
 * Reads a policy from a record; undefined: the history cannot have it, as its list is not stored.
 * No list has a local one.
 */
const knownOf = ({ policies, baseline }: ClusterRecord, key: string): PolicyState | null | undefined => {
  const isStored = policies instanceof ClusterPolicies && !policies.list.isNamed;
  const report = isStored || namedIn(policies).has(key) ? policies.get(key) : undefined;
  if (report !== undefined) return stateOf(report);
  return isStored || (baseline !== null && key.includes('/')) ? null : undefined;
};

const tell = (drawn: readonly Parameters<ReportedFleet['take']>[0][]): ReportedFleet => {
  const fleet = new ReportedFleet();
  for (const step of drawn) fleet.take(step);
  return fleet;
};

const find = (fleet: ReportedFleet, changes: readonly HistoryChange[], policy: string, at: number): Promise<PolicyStateAt> =>
  findPolicyState(inTurn(changes.toReversed()), { policy, at: timeOf(at), listOf: fleet.listOf });

/** State of a policy at each time. */
const momentsOf = (fleet: ReportedFleet, cluster: string, policy: string) =>
  fleet.moments.map((records, at) => ({ at, known: knownOf(records.get(cluster) as ClusterRecord, policy) }));

/** The first moment from which on a policy stood as in the end. */
const sinceOf = (moments: ReturnType<typeof momentsOf>): number => {
  const last = moments.at(-1)?.known;
  return moments.findLastIndex(({ known }) => JSON.stringify(known) !== JSON.stringify(last)) + 1;
};

const query = fc.record({ cluster, policy: fc.constantFrom(...KEYS) });

type Found = PolicyStateAt['policy'];

/** A stream that another one replaced ended just before. */
const secondOf = (time = ''): string => new Date(Math.ceil(Date.parse(time) / 1_000) * 1_000).toISOString();

const expectKnown = (found: Found, moments: ReturnType<typeof momentsOf>): void => {
  const known = moments.at(-1)?.known;
  const since = timeOf(sinceOf(moments));
  // That one is gone is known also where there is no list.
  if (known === undefined) expect(found?.value ?? null).toBeNull();
  else expect(found?.value).toEqual(known);
  if (known) expect(secondOf(found?.since)).toBe(since);
  else expect((found?.since ?? '') <= since).toBe(true);
};

const expectLess = (less: Found, found: Found): void => {
  if (less === undefined) return;
  expect(less.value).toEqual(found?.value);
  expect(less.since >= (found?.since ?? '')).toBe(true);
};

const compactTwice = (
  changes: readonly HistoryChange[],
  [first, second]: readonly [number, number],
  maxClosed: number,
): readonly HistoryChange[] => {
  const once = [...compactHistory(changes.slice(0, first), maxClosed), ...changes.slice(first, second)];
  return [...compactHistory(once, maxClosed), ...changes.slice(second)];
};

/** Reads a history a few changes at a time. */
const narrowInParts = async (
  newestFirst: readonly HistoryChange[],
  size: number,
  narrowed: Pick<Parameters<typeof narrowHistory>[1], 'policy' | 'listOf'>,
) => {
  const parts: (HistoryChange | undefined)[] = [];
  for (let from = 0; from < newestFirst.length; from += size) {
    const older = inTurn(newestFirst.slice(from + size));
    parts.push(...(await narrowHistory(newestFirst.slice(from, from + size), { ...narrowed, older })));
  }
  return parts;
};

/** Reads the state of a policy at a time from items of a list; undefined: they say nothing. */
const listedAt = (items: readonly (HistoryChange | undefined)[], time: string): PolicyState | null | undefined => {
  const isAbout = ({ policies, gone, unknown, nothing }: HistoryChange) =>
    [policies, gone, unknown, nothing].some((said) => said !== undefined);
  const last = items.find((item) => item !== undefined && isAbout(item) && item.time <= time);
  if (last?.policies?.[0] === undefined) return last?.gone === undefined ? undefined : null;
  const { keys: _keys, ...state } = last.policies[0];
  return state;
};

const expectListed = (listed: PolicyState | null | undefined, known: PolicyState | null | undefined): void => {
  if (known === undefined) expect(listed ?? null).toBeNull();
  else expect(listed).toEqual(known);
};

describe('the history of a policy', () => {
  it('returns the record at any time, and its start', async () => {
    await fc.assert(
      fc.asyncProperty(steps, query, async (drawn, { cluster: name, policy }) => {
        const fleet = tell(drawn);
        const moments = momentsOf(fleet, name, policy);
        for (const { at } of moments) expectKnown((await find(fleet, fleet.historyOf(name), policy, at)).policy, moments.slice(0, at + 1));
      }),
    );
  });

  it('ends the same when it is folded, and never contains a false state', async () => {
    const cuts = fc.tuple(fc.nat(MAX_STEPS), fc.nat(MAX_STEPS)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(steps, cuts, fc.constantFrom(0, 1, 1_000), query, async (drawn, at, maxClosed, { cluster: name, policy }) => {
        const [, second] = at;
        const fleet = tell(drawn);
        const changes = fleet.historyOf(name);
        const compact = compactTwice(changes, at, maxClosed);
        const end = changes.slice(0, second).at(-1)?.time ?? '';
        for (const { at, known } of momentsOf(fleet, name, policy)) {
          const less = (await find(fleet, compact, policy, at)).policy;
          expectLess(less, (await find(fleet, changes, policy, at)).policy);
          expect(less?.value).toEqual(timeOf(at) >= end && known ? known : less?.value);
        }
      }),
      // What is rare is two changes of one policy on the right sides of three others.
      { numRuns: 500 },
    );
  });

  it('is listed by its changes, the same for any page size', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 9 }), query, async (drawn, size, { cluster: name, policy }) => {
        const fleet = tell(drawn);
        const newestFirst = fleet.historyOf(name).toReversed();
        const { listOf } = fleet;
        const all = await narrowHistory(newestFirst, { policy, listOf });
        expect(await narrowInParts(newestFirst, size, { policy, listOf })).toEqual(all);
        for (const { at, known } of momentsOf(fleet, name, policy)) expectListed(listedAt(all, timeOf(at)), known);
      }),
    );
  });

  it('is found in the read part of a long history, with its start as far as that goes', async () => {
    const fleet = tell([
      { kind: 'commit', policies: { a: { region: 'eu-west-1', targetNamespace: 'finance', expires: null, isEverywhere: true } } },
    ]);
    const say = (named: Record<string, { phase: 'Failed' }>, missing: number) =>
      fleet.take({ kind: 'report', cluster: 'eu', behind: 0, baseline: 'list', floor: missing === 0, missing: 0, named, full: false });
    say({ a: { phase: 'Failed' } }, 0);
    for (let n = 0; n < 1_000; n += 1) say({}, n % 2);
    const facts = { time: timeOf(fleet.moments.length), connected: true, accepted: 'a', proven: 'a' };
    const changes = [...fleet.historyOf('eu'), facts];
    let read = 0;
    async function* counted() {
      for (const change of changes.toReversed()) {
        read += 1;
        yield change;
      }
    }
    const { policy: found } = await findPolicyState(counted(), { policy: 'a', at: facts.time, listOf: fleet.listOf });
    expect(found?.value).toMatchObject({ phase: 'Active', conforms: true });
    expect(read).toBeLessThan(300);
    expect((found?.since ?? '') > timeOf(2)).toBe(true);
  });
});
