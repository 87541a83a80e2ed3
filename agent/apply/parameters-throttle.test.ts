import { FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import { expect, it } from 'vitest';
import type { Action } from '../enforce/index.ts';
import { ParametersThrottle } from './parameters-throttle.ts';

const KEY = 'FloorParameters/fso-namespaces';
const actionOf = (bytes: number, reason = 'Grow'): Action => ({
  type: 'apply',
  key: KEY,
  kind: FLOOR_PARAMETERS_KIND,
  body: { metadata: { name: 'fso-namespaces', annotations: { padding: 'x'.repeat(bytes) } } },
  fieldManager: 'fso-floor',
  reason,
  policies: [],
});

it('holds a large object after it was written, the longer the larger it is', () => {
  const pace = new ParametersThrottle();
  const large = [actionOf(1_000_000)];
  expect(pace.due(large, 0)).toEqual({ actions: large, waitMs: undefined });
  pace.written(KEY, 100);
  const held = pace.due(large, 200);
  expect(held.actions).toEqual([]);
  expect(held.waitMs).toBeGreaterThan(4_800);
  expect(held.waitMs).toBeLessThan(5_100);
  expect(pace.due(large, 200 + (held.waitMs ?? 0))).toEqual({ actions: large, waitMs: undefined });

  const small = new ParametersThrottle();
  small.due([actionOf(2_000)], 0);
  small.written(KEY, 0);
  expect(small.due([actionOf(2_000)], 0).waitMs).toBeLessThan(15);
});

it('holds neither what was not written yet, nor a repair, nor what is missing', () => {
  const pace = new ParametersThrottle();
  pace.due([actionOf(1_000_000)], 0);
  // Running, waiting or failing: the pool must see it again, or it would forget what it knows of it.
  expect(pace.due([actionOf(1_000_000)], 10).actions).toHaveLength(1);
  pace.written(KEY, 20);
  pace.written('Namespace/finance', 20);
  expect(pace.due([actionOf(1_000_000)], 30).actions).toHaveLength(0);
  for (const reason of ['Drift', 'Install', 'Update']) expect(pace.due([actionOf(1_000_000, reason)], 30).actions).toHaveLength(1);
});
