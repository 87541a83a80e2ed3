import { ADMISSION_POLICY_KIND } from '@fso/shared/kube';
import { expect, it } from 'vitest';
import type { Action } from '../enforce/types.ts';
import { FloorThrottle } from './floor-throttle.ts';

const common = { kind: ADMISSION_POLICY_KIND, reason: 'Leave', policies: [] };
const gone: Action = { ...common, type: 'delete', key: 'ValidatingAdmissionPolicy/fso-floor-old', ref: { name: 'fso-floor-old' } };
const wanted: Action = {
  ...common,
  type: 'apply',
  key: 'ValidatingAdmissionPolicy/fso-floor-new',
  body: { metadata: { name: 'fso-floor-new' } },
  fieldManager: 'test',
};

it('lets the old go only after the new was there for a while, without a break', () => {
  const pace = new FloorThrottle();
  expect(pace.due({ floor: [wanted] }, false, 0)).toEqual({ actions: [wanted], waitMs: undefined });
  expect(pace.due({ floor: [gone] }, false, 1_000)).toEqual({ actions: [], waitMs: 5_000 });
  expect(pace.due({ floor: [gone] }, false, 4_000)).toEqual({ actions: [], waitMs: 2_000 });
  expect(pace.due({ floor: [wanted, gone] }, false, 5_000)).toEqual({ actions: [wanted], waitMs: undefined });
  expect(pace.due({ floor: [gone] }, false, 6_000)).toEqual({ actions: [], waitMs: 5_000 });
  expect(pace.due({ floor: [gone] }, false, 11_000)).toEqual({ actions: [gone], waitMs: undefined });
});

it('lets the old go only when the new is proven, or will not be', () => {
  const pace = new FloorThrottle();
  pace.due({ floor: [gone] }, true, 0);
  expect(pace.due({ floor: [gone] }, true, 60_000)).toEqual({ actions: [], waitMs: undefined });
  expect(pace.due({ floor: [gone] }, false, 60_001)).toEqual({ actions: [gone], waitMs: undefined });
});
