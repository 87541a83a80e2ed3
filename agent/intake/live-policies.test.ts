import type { SovereignPolicy } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { Informer } from '@fso/shared/kube';
import { expect, it } from 'vitest';
import { LivePolicies } from './live-policies.ts';

type Metadata = { [K in keyof SovereignPolicy['metadata']]?: SovereignPolicy['metadata'][K] | undefined };

const policyOf = (version: number, metadata: Metadata = {}): SovereignPolicy =>
  ({
    metadata: { name: 'a', namespace: 'fso-system', uid: 'u', generation: 1, resourceVersion: String(version), ...metadata },
  }) as SovereignPolicy;

const create = () => {
  const clock = new FakeClock();
  let current: SovereignPolicy | undefined;
  const live = new LivePolicies({ get: () => current, list: () => [] } as unknown as Informer<SovereignPolicy>, clock);
  return {
    live,
    clock,
    show: (next: SovereignPolicy | undefined): void => {
      const previous = current;
      current = next;
      live.shown('a', next, previous);
    },
    /** Number of steps by which the version moves. */
    moves: (change: () => void): number => {
      const before = live.version;
      change();
      return live.version - before;
    },
  };
};

it('is of the same version after a write of the status', () => {
  const { moves, show } = create();
  expect(moves(() => show(policyOf(1)))).toBe(1);
  expect(moves(() => show(policyOf(2)))).toBe(0);
  expect(moves(() => show({ ...policyOf(3, { labels: undefined }), status: { phase: 'Active' } } as SovereignPolicy))).toBe(0);
});

it.each<[string, Metadata]>([
  ['generation', { generation: 2 }],
  ['labels', { labels: { a: 'b' } }],
  ['annotations', { annotations: { a: 'b' } }],
  ['deletionTimestamp', { deletionTimestamp: '2026-01-01T00:00:00Z' }],
  ['finalizers', { finalizers: ['a/b'] }],
  ['uid', { uid: 'v' }],
  ['no generation', { generation: undefined }],
])('is of another version after a change of its content: %s', (_what, change) => {
  const { moves, show } = create();
  show(policyOf(1));
  expect(moves(() => show(policyOf(2, change)))).toBe(1);
});

it('is of another version once with an own write, and not again when it is shown', () => {
  const { live, moves, show } = create();
  show(policyOf(1));
  const written = policyOf(2, { generation: 2 });
  expect(moves(() => live.applied('a', written))).toBe(1);
  // What the informer shows late is not what stands in the cluster.
  expect(moves(() => show(policyOf(1)))).toBe(0);
  expect(moves(() => show(written))).toBe(0);
  expect(live.get('a')).toBe(written);
  expect(moves(() => live.deleted('a', written))).toBe(1);
  expect(live.get('a')).toBeUndefined();
  expect(moves(() => show(undefined))).toBe(0);
});

it('is of another version where an own write that was undone is forgotten', async () => {
  const { live, clock, moves, show } = create();
  show(policyOf(1));
  live.applied('a', policyOf(2, { generation: 2 }));
  await clock.advance(30_001);
  expect(moves(() => live.forgetOld())).toBe(1);
  expect(live.get('a')).toEqual(policyOf(1));
  expect(moves(() => live.forgetOld())).toBe(0);
});
