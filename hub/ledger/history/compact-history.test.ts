import { describe, expect, it } from 'vitest';
import { PolicyList } from '../policies/index.ts';
import { timeOf } from '../testing/reported-fleet.ts';
import type { HistoryBaseline, HistoryChange } from '../types.ts';
import { compactHistory } from './compact-history.ts';
import { findPolicyState } from './policy-past.ts';

const list = new PolicyList('d'.repeat(64), []);
const baseline: HistoryBaseline = {
  list: list.digest,
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: timeOf(0),
  missing: '',
};
const state = { phase: 'Active' as const, conforms: true, violates: false, revision: null };

const stateAt = async (changes: readonly HistoryChange[], policy: string, at: number) => {
  async function* newestFirst() {
    yield* changes.toReversed();
  }
  const found = await findPolicyState(newestFirst(), { policy, at: timeOf(at), listOf: async () => list });
  return found.policy?.value;
};

/** Policies that are applied in a cluster and deleted a second later, beside one that stays. */
const comeAndGo = (count: number): HistoryChange[] => [
  { time: timeOf(0), connected: true, baseline, named: [] },
  { time: timeOf(1), policies: [{ ...state, keys: ['team-a/stays'] }] },
  ...Array.from({ length: count }, (_, n): HistoryChange[] => [
    { time: timeOf(2 * n + 2), policies: [{ ...state, keys: [`team-a/job-${n}`] }] },
    { time: timeOf(2 * n + 3), gone: [`team-a/job-${n}`] },
  ]).flat(),
];

describe('a folded history', () => {
  it('keeps a few policies that came and went', async () => {
    const changes = compactHistory(comeAndGo(10));
    expect(await stateAt(changes, 'team-a/job-3', 8)).toBeUndefined();
    expect(await stateAt(changes, 'team-a/job-3', 9)).toBeNull();
    expect(await stateAt(changes, 'team-a/other', 8)).toBeNull();
  });

  it('drops the names of many policies that came and went, which are unknown before the end then', async () => {
    const all = comeAndGo(20_000);
    const end = 40_001;
    let changes: readonly HistoryChange[] = [];
    let longest = 0;
    for (let from = 0; from < all.length; from += 1_000) {
      changes = compactHistory([...changes, ...all.slice(from, from + 1_000)]);
      longest = Math.max(longest, JSON.stringify(changes).length);
    }
    expect(longest).toBeLessThan(150_000);
    expect(changes[0]).toMatchObject({ time: timeOf(0), connected: true });
    for (const policy of ['team-a/job-3', 'team-a/job-19999', 'team-a/other']) expect(await stateAt(changes, policy, end)).toBeNull();
    expect(await stateAt(changes, 'team-a/job-3', 8)).toBeUndefined();
    expect(await stateAt(changes, 'team-a/stays', 8)).toEqual(state);
    expect(await stateAt(changes, 'team-a/stays', end)).toEqual(state);
  });
});
