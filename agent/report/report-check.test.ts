import { createLogger } from '@fso/shared/runtime';
import { describe, expect, it, vi } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { ReportCheck } from './report-check.ts';
import { snapshotOf } from './testing/reports.ts';

describe('ReportCheck', () => {
  it('logs each invalid report once, also of a policy called cluster', () => {
    const logger = createLogger({ name: 'test', level: 'silent' });
    const error = vi.spyOn(logger, 'error');
    const check = new ReportCheck(logger);
    const { cluster, policies } = snapshotOf([policyReport('cluster', { effectiveRegions: ['x'.repeat(64)] })]);
    const whole = { ...cluster, revision: null, provenRevision: null, verification: 'unverified' } as const;
    for (const _ of [1, 2]) {
      for (const [key, { report }] of policies) check.policy(key, report);
      check.cluster(whole);
    }
    expect(error.mock.calls.map(([fields]) => fields)).toEqual([expect.objectContaining({ policy: 'cluster' })]);
  });
});
