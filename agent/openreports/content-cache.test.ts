import type { PolicyReport, Risk } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { ContentCache } from './content-cache.ts';
import type { NamespaceFindings, PolicyViolation } from './report.ts';

const POLICY = policyReport('finance-eu', { namespaces: ['finance'] });

interface Change {
  readonly policy?: Partial<PolicyReport>;
  readonly violation?: Partial<PolicyViolation['violation']>;
  readonly uid?: string;
  readonly risk?: Partial<Risk>;
}

const RISK: Risk = {
  risk: 'Refused',
  kind: 'Deployment',
  namespace: 'finance',
  name: 'web',
  reason: 'allows us-east-1',
  fix: 'nodeSelector: …',
  confirmation: 'Unconfirmed',
};

/** Objects of their own, as each round of the agent makes them; the list of regions stays. */
const findings = ({ policy, violation, uid = 'u', risk }: Change = {}): NamespaceFindings => ({
  policies: 1,
  fail: 1,
  warn: 0,
  violations: [
    {
      policy: { ...POLICY, ...policy },
      pod: { metadata: { name: 'stray', namespace: 'finance', uid }, spec: {} },
      violation: {
        kind: 'Pod',
        namespace: 'finance',
        name: 'stray',
        reason: 'is outside',
        since: '2026-01-01T00:00:00.000Z',
        ...violation,
      },
    },
  ],
  risks: risk === undefined ? [] : [{ policy: { ...POLICY, ...policy }, risk: { ...RISK, ...risk } }],
});

const NONE = { fail: 0, warn: 0, violations: [], risks: [] };

describe('ContentCache', () => {
  it('keeps the results of a namespace while nothing changes but the number of pods', () => {
    const cache = new ContentCache();
    const first = cache.contentOf('finance', findings(), 1);
    const second = cache.contentOf('finance', findings(), 5);
    expect(second.results).toBe(first.results);
    expect([first.summary.pass, second.summary.pass]).toEqual([0, 4]);
    expect(cache.contentOf('a', { ...NONE, policies: 1 }, 1).results).toBe(cache.contentOf('b', { ...NONE, policies: 2 }, 1).results);
  });

  it.each<[what: string, change: Change, expected: object]>([
    ['regions', { policy: { effectiveRegions: ['us-east-1'] } }, { properties: expect.objectContaining({ allowedRegions: 'us-east-1' }) }],
    ['commit', { policy: { revision: 'c0ffee' } }, { properties: expect.objectContaining({ revision: 'c0ffee' }) }],
    ['action', { policy: { enforcementAction: 'warn' } }, { result: 'warn' }],
    ['policy', { policy: { name: 'other' } }, { policy: 'other' }],
    ['namespace of the policy', { policy: { namespace: 'finance' } }, { policy: 'finance/finance-eu' }],
    ['pod', { uid: 'v' }, { resources: [expect.objectContaining({ uid: 'v' })] }],
    ['name of the pod', { violation: { name: 'other' } }, { resources: [expect.objectContaining({ name: 'other' })] }],
    ['node', { violation: { node: 'n' } }, { rule: 'node-region' }],
    ['region of the node', { violation: { region: 'us-east-1' } }, { properties: expect.objectContaining({ nodeRegion: 'us-east-1' }) }],
    ['reason', { violation: { reason: 'left' } }, { message: 'left' }],
    [
      'start',
      { violation: { since: '2026-01-01T00:00:01.000Z' } },
      { timestamp: { seconds: Date.parse('2026-01-01T00:00:01Z') / 1000, nanos: 0 } },
    ],
  ])('makes the results again with another %s', (_, change, expected) => {
    const cache = new ContentCache();
    cache.contentOf('finance', findings(), 1);
    expect(cache.contentOf('finance', findings(change), 1).results).toMatchObject([expected]);
  });

  it('makes the results again once an owner is at risk, or is so in another way', () => {
    const cache = new ContentCache();
    cache.contentOf('finance', findings(), 1);
    const first = cache.contentOf('finance', findings({ risk: {} }), 1);
    expect(first.results).toMatchObject([{ rule: 'node-constraints' }, { rule: 'next-pods-refused', message: 'allows us-east-1' }]);
    expect(cache.contentOf('finance', findings({ risk: {} }), 1).results).toBe(first.results);
    for (const risk of [{ confirmation: 'Confirmed' }, { fix: 'other' }, { name: 'api' }] as const)
      expect(cache.contentOf('finance', findings({ risk }), 1).results).not.toBe(first.results);
    expect(cache.contentOf('finance', { ...findings({ risk: {} }), fail: 0, violations: [] }, 1)).toMatchObject({
      summary: { fail: 0, warn: 1, pass: 1 },
      results: [{ category: 'Risk' }],
    });
  });

  it('makes the results again with more or fewer violations, and for a dropped namespace', () => {
    const cache = new ContentCache();
    const { violations } = findings();
    const first = cache.contentOf('finance', findings(), 2);
    expect(cache.contentOf('finance', { ...findings(), fail: 2, violations: [...violations, ...violations] }, 2).results).toHaveLength(2);
    const counted = cache.contentOf('finance', { ...findings(), fail: 2 }, 2);
    // A hash is remembered with the results, and has the counts of all.
    expect(cache.contentOf('finance', { ...findings(), fail: 3 }, 2).results).not.toBe(counted.results);
    expect(cache.contentOf('finance', { ...NONE, policies: 1 }, 2).results).toEqual([]);
    const again = cache.contentOf('finance', findings(), 2);
    expect(again.results).not.toBe(first.results);
    cache.retain(new Set());
    expect(cache.contentOf('finance', findings(), 2).results).not.toBe(again.results);
  });
});
