import { type PolicyReport, policyKey, type Risk } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { type AgentSnapshot, type FoundViolation, NAMED_PER_NAMESPACE, type NamespaceViolations } from '../observe/index.ts';
import { buildContent, findingsByNamespace, firstResults, MAX_RESULT_BYTES } from './report.ts';

const SINCE = '2026-01-02T03:04:05.678Z';

const violationOf = (name: string, changes: Partial<FoundViolation['violation']> = {}): FoundViolation => ({
  pod: { metadata: { name, namespace: 'finance', uid: `uid-of-${name}` }, spec: {} },
  violation: { kind: 'Pod', namespace: 'finance', name, reason: 'is outside', since: SINCE, ...changes },
});

const snapshotOf = (...policies: readonly (readonly [PolicyReport, ...FoundViolation[]])[]): AgentSnapshot['policies'] =>
  new Map(
    policies.map(([report, ...violations]) => [
      policyKey(report),
      { report, generation: 1, observedGeneration: 1, proven: true, violations: byNamespace(violations) },
    ]),
  );

const byNamespace = (violations: readonly FoundViolation[]): readonly NamespaceViolations[] =>
  [...Map.groupBy(violations, ({ violation }) => violation.namespace)].map(([namespace, first]) => ({
    namespace,
    count: first.length,
    first,
  }));

const contentOf = (policies: AgentSnapshot['policies'], pods = 0) => {
  const findings = findingsByNamespace(policies).get('finance') ?? expect.fail('finance is not governed');
  return buildContent(findings, pods, firstResults(findings));
};

describe('findingsByNamespace', () => {
  it('has each governed namespace, and no other', () => {
    const elsewhere = violationOf('x', { namespace: 'gone' });
    const findings = findingsByNamespace(
      snapshotOf([policyReport('a', { namespaces: ['finance', 'hr'] }), elsewhere], [policyReport('b', { namespaces: ['hr'] })]),
    );
    expect([...findings].map(([name, { policies, violations }]) => [name, policies, violations.length])).toEqual([
      ['finance', 1, 0],
      ['hr', 2, 0],
    ]);
  });
});

describe('the report of a namespace', () => {
  it('names policy, pod, node, regions and commit of a violation', () => {
    const policy = policyReport('finance-eu', {
      namespaces: ['finance'],
      revision: 'c0ffee',
      effectiveRegions: ['eu-central-1', 'eu-west-1'],
      enforcementAction: 'deny',
    });
    const content = contentOf(snapshotOf([policy, violationOf('stray', { node: 'n1', region: 'us-east-1' })]), 3);
    expect(content.summary).toEqual({ pass: 2, fail: 1, warn: 0, error: 0, skip: 0 });
    expect(content.results).toEqual([
      {
        policy: 'finance-eu',
        rule: 'node-region',
        category: 'Residency',
        severity: 'high',
        result: 'fail',
        scored: true,
        timestamp: { seconds: Date.parse(SINCE.replace('.678', '')) / 1000, nanos: 678_000_000 },
        message: 'is outside',
        resources: [{ apiVersion: 'v1', kind: 'Pod', namespace: 'finance', name: 'stray', uid: 'uid-of-stray' }],
        properties: {
          allowedRegions: 'eu-central-1,eu-west-1',
          enforcementAction: 'deny',
          node: 'n1',
          nodeRegion: 'us-east-1',
          revision: 'c0ffee',
        },
      },
    ]);
  });

  it('lists a warning where the policy does not deny, after the failures', () => {
    const inFinance = { namespaces: ['finance'] };
    const content = contentOf(
      snapshotOf(
        [policyReport('a', { ...inFinance, enforcementAction: 'dryrun' }), violationOf('p')],
        [policyReport('b', { ...inFinance, enforcementAction: 'warn' }), violationOf('p')],
        [policyReport('d', { ...inFinance, enforcementAction: 'custom' }), violationOf('q'), violationOf('p')],
        [policyReport('c', { ...inFinance, enforcementAction: 'deny' }), violationOf('q')],
      ),
      2,
    );
    const shown = content.results.map(({ policy, resources: [pod], result, severity, scored, rule }) =>
      [policy, pod?.['name'], result, severity, scored, rule].join(' '),
    );
    expect(shown).toEqual([
      'd p fail high true node-constraints',
      'c q fail high true node-constraints',
      'd q fail high true node-constraints',
      'b p warn medium false node-constraints',
      'a p warn low false node-constraints',
    ]);
    expect(content.summary).toEqual({ pass: 3, fail: 3, warn: 2, error: 0, skip: 0 });
  });

  it('does not depend on the order in which policies and pods come', () => {
    const policies = [
      [policyReport('a', { namespaces: ['finance'] }), violationOf('p'), violationOf('q')],
      [policyReport('b', { namespaces: ['finance'] }), violationOf('q')],
    ] as const;
    const [a, b] = policies;
    expect(contentOf(snapshotOf(b, [a[0], a[2], a[1]]))).toEqual(contentOf(snapshotOf(...policies)));
  });

  it('counts violations that are not named', () => {
    const report = policyReport('a', { namespaces: ['finance'], enforcementAction: 'deny' });
    const violations = [{ namespace: 'finance', count: 5_000, first: [violationOf('p')] }];
    const content = contentOf(new Map([['a', { report, generation: 1, observedGeneration: 1, proven: true, violations }]]), 6_000);
    expect(content.summary).toMatchObject({ pass: 1_000, fail: 5_000, warn: 0 });
    expect(content.results).toHaveLength(1);
  });

  it('counts all violations, and lists the first', () => {
    const many = Array.from({ length: NAMED_PER_NAMESPACE + 20 }, (_, index) => violationOf(`pod-${String(index).padStart(4, '0')}`));
    const content = contentOf(
      snapshotOf([policyReport('a', { namespaces: ['finance'], enforcementAction: 'deny' }), ...many]),
      many.length,
    );
    expect(content.summary).toMatchObject({ pass: 0, fail: many.length });
    expect(content.results).toHaveLength(NAMED_PER_NAMESPACE);
    expect(content.results.at(-1)?.resources[0]?.['name']).toBe('pod-0099');
    expect(content.configuration.limits.maxResults).toBe(NAMED_PER_NAMESPACE);
  });

  describe('with owners at risk', () => {
    const riskOf = (name: string, changes: Partial<Risk> = {}): Risk => ({
      risk: 'Refused',
      kind: 'Deployment',
      namespace: 'finance',
      name,
      reason: 'spec.nodeSelector allows region "us-east-1"',
      fix: 'topology.kubernetes.io/region: eu-west-1',
      confirmation: 'Confirmed',
      ...changes,
    });
    const atRisk = (...named: Risk[]) =>
      policyReport('finance-eu', {
        namespaces: ['finance'],
        effectiveRegions: ['eu-west-1'],
        enforcementAction: 'deny',
        risks: { refused: named.length, pending: 0, unconfirmed: 0, mended: 0, named },
      });

    it('warns of each that its policies name, with the line that mends it', () => {
      const content = contentOf(snapshotOf([atRisk(riskOf('web'))]), 3);
      expect(content.summary).toEqual({ pass: 3, fail: 0, warn: 1, error: 0, skip: 0 });
      expect(content.results).toEqual([
        {
          policy: 'finance-eu',
          rule: 'next-pods-refused',
          category: 'Risk',
          severity: 'medium',
          result: 'warn',
          scored: false,
          message: 'spec.nodeSelector allows region "us-east-1"',
          resources: [{ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'finance', name: 'web' }],
          properties: {
            allowedRegions: 'eu-west-1',
            enforcementAction: 'deny',
            fix: 'topology.kubernetes.io/region: eu-west-1',
            confirmation: 'Confirmed',
          },
        },
      ]);
    });

    it('lists them after the violations, refused ones first, and none of another namespace', () => {
      const lastSeen = '2026-01-02T03:00:00.000Z';
      const policy = atRisk(
        riskOf('daemon', { risk: 'Pending', kind: 'DaemonSet', nodes: 2 }),
        riskOf('gone', { namespace: 'hr' }),
        riskOf('runner-*', { kind: 'Workflow', lastSeen }),
        riskOf('api'),
      );
      const { results } = contentOf(snapshotOf([policy, violationOf('stray')]));
      expect(results.map(({ rule, severity, resources: [owner] }) => [rule, severity, owner?.['name'], owner?.['apiVersion']])).toEqual([
        ['node-constraints', 'high', 'stray', 'v1'],
        ['next-pods-refused', 'medium', 'api', 'apps/v1'],
        ['next-pods-refused', 'medium', 'runner-*', undefined],
        ['next-pods-pending', 'low', 'daemon', 'apps/v1'],
      ]);
      expect(results[2]?.properties).toMatchObject({ lastSeen });
      expect(results[3]?.properties).toMatchObject({ nodes: '2' });
    });

    it('has no second result for a pod without an owner that violates', () => {
      const policy = atRisk(riskOf('stray', { kind: 'Pod' }), riskOf('worker-*', { kind: 'Pod', lastSeen: '2026-01-02T03:00:00.000Z' }));
      const { results, summary } = contentOf(snapshotOf([policy, violationOf('stray')]));
      expect(results.map(({ category, resources: [pod] }) => [category, pod?.['name']])).toEqual([
        ['Residency', 'stray'],
        ['Risk', 'worker-*'],
      ]);
      expect(summary).toMatchObject({ fail: 1, warn: 1 });
    });

    it('leaves the places that a report has to violations', () => {
      const many = Array.from({ length: NAMED_PER_NAMESPACE - 2 }, (_, index) => violationOf(`pod-${index}`));
      const policy = atRisk(riskOf('a'), riskOf('b'), riskOf('c'));
      const { results, summary } = contentOf(snapshotOf([policy, ...many]), 200);
      expect(results).toHaveLength(NAMED_PER_NAMESPACE);
      expect(results.slice(-2).map(({ resources: [owner] }) => owner?.['name'])).toEqual(['a', 'b']);
      expect(summary).toMatchObject({ fail: many.length, warn: 3 });
    });
  });

  it('is bounded in bytes, with reasons and regions of any length', () => {
    const effectiveRegions = Array.from({ length: 100 }, (_, index) => `${'r'.repeat(60)}-${index}`);
    const reason = '\u{1F30D}'.repeat(1_024);
    const many = Array.from({ length: NAMED_PER_NAMESPACE }, (_, index) => violationOf(`pod-${index}`, { reason }));
    const { results } = contentOf(snapshotOf([policyReport('a', { namespaces: ['finance'], effectiveRegions }), ...many]), 100);
    expect(Buffer.byteLength(JSON.stringify(results))).toBeLessThan(MAX_RESULT_BYTES + NAMED_PER_NAMESPACE);
    expect(results.length).toBeGreaterThan(10);
    expect(results.length).toBeLessThan(NAMED_PER_NAMESPACE);
  });
});
