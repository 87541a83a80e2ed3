import type { PolicyReport } from '@fso/shared/api';
import { expectedReport, listPolicy } from '@fso/shared/status';
import { expect, it, vi } from 'vitest';
import { judgeListed, type ListedState } from './deviations.ts';
import { compiledOf, PROFILE, REVISION } from './testing/seen-cluster.ts';

const NOW = new Date('2026-01-03T10:30:00.000Z');

/** Names that count how often they were matched. */
const countedNames = (names: readonly string[]) => {
  const matched = vi.fn();
  const filter = (keep: (name: string) => boolean): string[] => {
    matched();
    return names.filter(keep);
  };
  return { matched, names: Object.assign([...names], { filter }) as readonly string[] };
};

const stateOf = (targetNamespace: string, namespaces: readonly string[], governed: readonly string[], n: number): ListedState => {
  const compiled = compiledOf(`policy-${n}`, { targetNamespace, excludedNamespaces: ['team-x'] });
  const listed = listPolicy(compiled, REVISION);
  const entry: PolicyReport = expectedReport(listed, PROFILE, { isExpired: false, namespaces: governed });
  return { listed, entry, observedGeneration: 1, generation: 1, profile: PROFILE, namespaces, asOf: NOW };
};

it('matches each distinct pattern once with the same namespaces, however many policies have it', () => {
  const { names, matched } = countedNames(['team-a', 'team-b', 'team-x', 'other']);
  for (let n = 0; n < 100; n += 1) {
    expect(judgeListed(stateOf('team-*', names, ['team-a', 'team-b'], n))).toEqual({ deviation: undefined, isMissing: false });
    expect(judgeListed(stateOf('o*', names, ['other'], n))).toEqual({ deviation: undefined, isMissing: false });
  }
  expect(matched).toHaveBeenCalledTimes(2);
});

it('matches other namespaces again, and the same for another place of Gatekeeper', () => {
  const judge = (names: readonly string[], change: Partial<ListedState> = {}) =>
    judgeListed({ ...stateOf('team-*', names, ['team-a'], 0), ...change }).deviation;
  const names = ['team-a'];
  expect(judge(names)).toBeUndefined();
  expect(judge(['team-a', 'team-b'])).toBeDefined();
  expect(judge(names, { profile: { ...PROFILE, gatekeeperNamespace: 'team-a' } })).toBeDefined();
  expect(judge(names)).toBeUndefined();
});
