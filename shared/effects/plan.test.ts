import { describe, expect, it } from 'vitest';
import { effectsOf } from './effects.ts';
import { planResult } from './plan.ts';
import { fleet, policy } from './testing/policy-sets.ts';
import type { ClusterWorkloads, Workloads } from './workloads.ts';

const wide = policy('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'eu-central-1'] });
const narrow = policy('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
const loosened = effectsOf(fleet([narrow]), fleet([wide]));
const tightened = effectsOf(fleet([wide]), fleet([narrow]));

const NONE = { now: 0, after: 0, begins: 0, ends: 0 };
const cluster = (change: Partial<ClusterWorkloads> = {}): ClusterWorkloads => ({
  cluster: 'eu',
  observedAt: '2026-06-01T00:00:00.000Z',
  lookedAt: { namespaces: 1, owners: 1, pods: 1 },
  coverage: 'Whole',
  omitted: 0,
  outside: NONE,
  refused: NONE,
  pending: NONE,
  ...change,
});
const workloads = (clusters: ClusterWorkloads[], missing: string[] = []): Workloads => ({
  teams: [],
  clusters,
  notAnswered: missing.length === 0 ? [] : [{ clusters: missing, reason: 'NoAnswer', message: '' }],
});
const empty = cluster({ lookedAt: { namespaces: 0, owners: 0, pods: 0 }, coverage: 'None' });
/** The same for a caller who sees a part of the cluster. */
const scoped = (coverage: ClusterWorkloads['coverage']): ClusterWorkloads => cluster({ lookedAt: null, omitted: null, coverage });

/** Class in which one owner begins, which an answer calls eased. */
const EASED = { ...NONE, begins: 1, eased: 1 };

describe('the result of a plan', () => {
  it.each([
    ['a possible pod breaks', tightened, workloads([cluster()]), 'Breaks'],
    ['something that runs gets worse', loosened, workloads([cluster({ pending: { ...NONE, begins: 1 } })]), 'Breaks'],
    ['what was refused stays pending', loosened, workloads([cluster({ pending: { ...NONE, begins: 2, eased: 2 } })]), 'NothingBreaks'],
    ['more than what was refused stays pending', loosened, workloads([cluster({ pending: { ...NONE, begins: 2, eased: 1 } })]), 'Breaks'],
    ['eased is no number of another class', loosened, workloads([cluster({ outside: EASED, refused: EASED })]), 'Breaks'],
    ['something that runs gets better', loosened, workloads([cluster({ pending: { ...NONE, now: 1, ends: 1 } })]), 'NothingBreaks'],
    ['one cluster did not answer', loosened, workloads([cluster()], ['us']), 'NotAllAnswered'],
    ['no cluster has the namespace', loosened, workloads([empty]), 'NothingLookedAt'],
    ['one cluster has the namespace', loosened, workloads([empty, cluster()]), 'NothingBreaks'],
    ['owners were left out', loosened, workloads([cluster({ omitted: 1, coverage: 'Part' })], ['us']), 'NotAllLookedAt'],
    ['the caller sees a part', loosened, workloads([scoped('Whole')]), 'NothingBreaks'],
    ['the caller sees a part, and owners were left out', loosened, workloads([scoped('Part')]), 'NotAllLookedAt'],
    ['the caller sees a part, and no cluster has the namespace', loosened, workloads([scoped('None')]), 'NothingLookedAt'],
    ['no cluster had to be asked', loosened, workloads([]), 'NothingBreaks'],
    ['no cluster was asked', loosened, null, 'NothingBreaks'],
  ])('is judged by possible pods and by answers: %s', (_what, effects, given, expected) => {
    expect(planResult(effects, given)).toBe(expected);
  });
});

it('compares the policies that count', () => {
  const other = policy('other', { targetNamespace: 'other', allowedRegions: ['eu-west-1'] });
  const counts = (name: string, { name: one }: { readonly name: string }): boolean => one === 'finance' && name === 'eu';
  const { effects, lookedAt } = effectsOf({ ...fleet([wide]), counts }, { ...fleet([narrow, other]), counts });
  expect(effects.map(({ clusters, namespaces }) => [clusters, namespaces.map(({ pattern }) => pattern)])).toEqual([[['eu'], ['finance']]]);
  expect(lookedAt).toMatchObject({ clusters: 2, policies: 1 });
});
