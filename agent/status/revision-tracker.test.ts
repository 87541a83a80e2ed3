import { type PolicyReport, policyKey, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { bodyOf } from '../enforce/hub-policies.ts';
import type { DesiredPolicy } from '../enforce/index.ts';
import type { AgentSnapshot, PolicySnapshot } from '../observe/index.ts';
import { compiledOf } from '../report/testing/seen-cluster.ts';
import { advanceProven, isRevisionProven, type RevisionState, RevisionTracker } from './revision-tracker.ts';

const [OLD, NEW] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const verification = { state: 'verified', signer: 'ana' } as const;
const commitOf = (revision: string, region: string): NonNullable<RevisionState['accepted']> => {
  const policy = compiledOf('finance', { allowedRegions: [region] });
  return { revision, digest: revision, verification, policies: new Map([['finance', { policy, since: revision }]]) };
};
const [BEFORE, AFTER] = [commitOf(OLD, 'eu-west-1'), commitOf(NEW, 'eu-central-1')];

/** A cluster with one policy, as it stands there and as the last round judged it. */
const create = () => {
  let live: SovereignPolicy | undefined;
  const tracker = new RevisionTracker({ get: () => live });
  return {
    tracker,
    write: ({ policies }: typeof BEFORE, generation: number): void => {
      const desired = policies?.get('finance');
      if (desired === undefined) throw new Error('no such policy');
      const body = bodyOf(desired);
      live = { ...body, metadata: { ...body.metadata, generation } };
    },
    take: (): void => {
      live = undefined;
    },
  };
};
const judged = (generation: number, proven = true): ReadonlyMap<string, PolicySnapshot> =>
  new Map([['finance', { report: { managedBy: 'hub' }, generation, observedGeneration: generation, proven, violations: [] } as never]]);

it('has nothing before a commit is accepted', () => {
  expect(create().tracker.look({ accepted: undefined, isChanging: false }, new Map())).toBeUndefined();
});

it('proves a commit once each of its policies is proven as it stands in the cluster', () => {
  const { tracker, write, take } = create();
  const look = (accepted: typeof BEFORE, policies: ReadonlyMap<string, PolicySnapshot>, isChanging = false) =>
    tracker.look({ accepted, isChanging }, policies)?.facts;
  write(BEFORE, 1);
  expect(look(BEFORE, judged(1, false))).toEqual({ revision: OLD, provenRevision: null, verification: 'verified', signer: 'ana' });
  expect(look(BEFORE, judged(1))?.provenRevision).toBe(OLD);
  // Of the policies of another commit the accepted one says nothing any more.
  write(AFTER, 2);
  expect(look(BEFORE, judged(2), true)?.provenRevision).toBe(OLD);
  expect(look(AFTER, judged(1))).toMatchObject({ revision: NEW, provenRevision: OLD });
  expect(look(AFTER, judged(2))?.provenRevision).toBe(NEW);
  take();
  expect(look(AFTER, judged(2))?.provenRevision).toBeNull();
});

it('gives the same version as long as the policies stand as they did', () => {
  const { tracker, write } = create();
  const standing = () => tracker.look({ accepted: BEFORE, isChanging: false }, new Map())?.accepted;
  write(BEFORE, 1);
  const first = standing();
  expect([first?.generationOf('finance'), standing()?.version]).toEqual([1, first?.version]);
  write(BEFORE, 3);
  expect(standing()?.generationOf('finance')).toBe(3);
  expect(standing()?.version).not.toBe(first?.version);
});

it('judges nothing of a commit whose policies are not known', () => {
  const { tracker } = create();
  const seen = tracker.look({ accepted: { ...BEFORE, policies: undefined }, isChanging: false }, new Map());
  expect(seen).toMatchObject({ facts: { revision: OLD, provenRevision: null }, accepted: undefined });
});

type Reported = Pick<PolicyReport, 'namespace' | 'name' | 'managedBy'>;

const report = (name: string, managedBy: PolicyReport['managedBy'] = 'hub'): Reported => ({
  namespace: SYSTEM_NAMESPACE,
  name,
  managedBy,
});
const judgedOf = (reports: readonly Reported[], proven = true, generation = 2): AgentSnapshot['policies'] =>
  new Map(
    reports.map((each) => [
      policyKey(each),
      { report: each as PolicyReport, generation, observedGeneration: generation, proven, violations: [] },
    ]),
  );

describe('isRevisionProven', () => {
  const accepted = { policies: new Map([['a', {} as DesiredPolicy]]), generationOf: (): number | undefined => 2 };

  it.each([
    ['the written generation is proven', judgedOf([report('a')]), true],
    ['an older one is', judgedOf([report('a')], true, 1), false],
    ['a lock is still pending', judgedOf([report('a')], false), false],
    ['it is not there yet', judgedOf([]), false],
    ['a policy is left that the commit no longer has', judgedOf([report('a'), report('b')]), false],
    ['there are local policies too', judgedOf([report('a'), report('b', 'local')]), true],
  ])('%s', (_when, policies, proven) => {
    expect(isRevisionProven(accepted, policies)).toBe(proven);
  });
});

describe('advanceProven', () => {
  it.each([
    ['takes the accepted one when it is proven', 'old', true, 'new'],
    ['trails at an older one until then', 'old', false, 'old'],
    ['is none when the accepted one was proven and no longer is', 'new', false, null],
    ['stays none until something is proven', null, false, null],
  ])('%s', (_what, before, proven, expected) => {
    expect(advanceProven(before, { revision: 'new', proven })).toBe(expected);
  });
});
