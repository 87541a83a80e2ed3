import type { PolicyInCluster, PolicyReport, PolicyView } from '@fso/shared/api';
import { REGION_LABEL } from '@fso/shared/residency';
import { describe, expect, it } from 'vitest';
import { report } from '../../policies/testing/policy-reports.ts';
import { combine, decide, gapsOf, governanceOf, outcomeOf } from './decide.ts';

const DENY = combine([{ key: 'eu', action: 'deny', regions: ['eu-west-1'] }]);
const inside = decide({ nodeSelector: { [REGION_LABEL]: 'eu-west-1' } }, DENY);
const outside = decide({}, DENY);
const POD = { kind: 'Pod' };

describe('outcomeOf', () => {
  it('states the outcome where the governing policies are known', () => {
    expect(outcomeOf([], POD)).toMatchObject({ level: 'info', text: 'Admitted: no policy governs it.' });
    expect(outcomeOf(inside, POD)).toMatchObject({ level: 'success' });
    expect(outcomeOf(outside, POD)).toMatchObject({ level: 'danger', text: 'Not admitted: the pod is refused.' });
  });

  it('lets pods of a DaemonSet wait at nodes outside, as they pass admission', () => {
    expect(outcomeOf(outside, { kind: 'DaemonSet' })).toMatchObject({
      level: 'warning',
      text: 'Accepted with a warning: its pods run on nodes in allowed regions, and stay pending on others.',
    });
    expect(outcomeOf(outside, { kind: 'Deployment' })).toMatchObject({ level: 'danger' });
  });

  it('never claims admission where a pod is refused', () => {
    for (const decisions of [[], inside]) {
      expect(outcomeOf(decisions, POD, 'no report')).toEqual({
        level: 'warning',
        text: 'Unknown: no report. The known policies admit it.',
        failed: undefined,
      });
    }
    expect(outcomeOf(outside, POD, 'no report')).toMatchObject({
      level: 'danger',
      text: 'By the known policies: not admitted: the pod is refused.',
    });
  });
});

describe('governanceOf', () => {
  const reportIn = (phase: PolicyReport['phase']): PolicyReport =>
    report({ name: 'p', effectiveRegions: ['eu-west-1'], phase, namespaces: phase === 'Expired' ? [] : ['finance'] });
  const policy = (name: string, clusters: PolicyInCluster[]): PolicyView => ({
    namespace: 'federated-sovereignty-system',
    name,
    managedBy: 'hub',
    targetNamespace: 'finance',
    allowedRegions: ['eu-west-1'],
    effectiveRegions: ['eu-west-1'],
    enforcementAction: 'deny',
    source: null,
    phase: 'Active',
    violations: 0,
    clusters,
    next: null,
  });
  const policies = [
    policy('good', [{ cluster: 'eu', fresh: true, report: reportIn('Active'), changed: null }]),
    policy('over', [{ cluster: 'eu', fresh: true, report: reportIn('Expired'), changed: null }]),
    policy('elsewhere', [{ cluster: 'us', fresh: false, report: null, changed: null }]),
  ];
  const at = { cluster: 'eu', namespace: 'finance', isConnected: true };

  it('leaves out expired policies, with a note', () => {
    const governance = governanceOf(policies, at);
    expect(governance).toMatchObject({ expired: ['over'], unreported: [], fresh: true });
    expect(governance.governing.map(({ key }) => key)).toEqual(['good']);
    expect(gapsOf(governance)).toBeUndefined();
  });

  it('has gaps where the cluster is not connected, or did not report all policies', () => {
    expect(gapsOf(governanceOf([], { ...at, isConnected: false }))).toContain('not connected');
    expect(gapsOf(governanceOf(policies, { ...at, cluster: 'us' }))).toContain('not connected');
    const unreported = policy('new', [{ cluster: 'eu', fresh: true, report: null, changed: null }]);
    expect(gapsOf(governanceOf([...policies, unreported], at))).toContain('has not reported every policy');
    const unlisted = policy('new', [
      { cluster: 'eu', fresh: true, report: report({ targetNamespace: '', namespaces: [] }), changed: null },
    ]);
    expect(gapsOf(governanceOf([...policies, unlisted], at))).toContain('has not reported every policy');
  });
});
