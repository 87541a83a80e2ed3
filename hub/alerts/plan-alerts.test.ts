import { ALERT_RULES } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identityOf, type StoredAlert } from './alert.ts';
import { boundIssues, type CurrentIssues, type Issue, NAMED_PER_CLUSTER } from './issue.ts';
import { type AlertRules, type AlertsInput, MAX_FIRING, planAlerts } from './plan-alerts.ts';

const issue = (change: Partial<Issue> = {}): Issue => ({
  alert: 'PolicyNotEnforced',
  severity: 'critical',
  labels: { cluster: 'eu', policy: 'finance' },
  problem: 'Failed.',
  since: null,
  isCurrent: true,
  ...change,
});
const rules: AlertRules = (name) => ({ forMs: ALERT_RULES[name].forSeconds * 1_000, severity: undefined });
const FOR_MS = ALERT_RULES.PolicyNotEnforced.forSeconds * 1_000;
const ofCluster = (...issues: Issue[]): CurrentIssues => ({ hub: [], policies: [], clusters: new Map([['eu', issues]]) });

/** Alerts over time. */
class Evaluation {
  firing: ReadonlyMap<string, StoredAlert> = new Map();
  pending: AlertsInput['pending'] = new Map();
  nowMs = 0;

  look(issues: CurrentIssues, after = 0, with_: AlertRules = rules) {
    this.nowMs += after;
    const plan = planAlerts({ issues, firing: this.firing, pending: this.pending, rules: with_, nowMs: this.nowMs });
    const firing = new Map(this.firing);
    for (const alert of plan.resolved) firing.delete(identityOf(alert));
    for (const alert of [...plan.fired, ...plan.changed]) firing.set(identityOf(alert), alert);
    this.firing = firing;
    this.pending = plan.pending;
    return plan;
  }
}

describe('alerts', () => {
  it('fire once a problem has lasted, end when it ends, and count from the start after that', () => {
    const evaluation = new Evaluation();
    expect(evaluation.look(ofCluster(issue()))).toMatchObject({ fired: [], nextMs: FOR_MS });
    expect(evaluation.look(ofCluster(issue()), FOR_MS - 1).fired).toEqual([]);
    expect(evaluation.look(ofCluster(), 1).fired).toEqual([]);
    expect(evaluation.look(ofCluster(issue()), 1).fired).toEqual([]);
    const { fired } = evaluation.look(ofCluster(issue()), FOR_MS);
    expect(fired).toMatchObject([{ name: 'PolicyNotEnforced', labels: { cluster: 'eu', policy: 'finance' }, endsAt: null }]);
    expect(evaluation.look(ofCluster(issue()), FOR_MS)).toMatchObject({ fired: [], resolved: [], changed: [] });
    expect(evaluation.look(ofCluster(), 5).resolved).toMatchObject([{ fingerprint: fired[0]?.fingerprint, endsAt: evaluation.nowMs }]);
  });

  it('are one where several problems have the same labels, and say them all', () => {
    const evaluation = new Evaluation();
    const locks = [issue({ alert: 'PolicyLockDegraded', problem: 'Lock 1.' }), issue({ alert: 'PolicyLockDegraded', problem: 'Lock 2.' })];
    evaluation.look(ofCluster(...locks));
    const { fired } = evaluation.look(ofCluster(...locks), 3_600_000);
    expect(fired.map(({ details }) => details)).toEqual(['Lock 1.\nLock 2.']);
  });

  it('neither begin nor end by what a cluster said before it went away', () => {
    const evaluation = new Evaluation();
    evaluation.look(ofCluster(issue({ isCurrent: false })));
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).fired).toEqual([]);
    evaluation.look(ofCluster(issue()));
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).fired).toHaveLength(1);
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).resolved).toEqual([]);
  });

  it('go on while nothing is known of the problem', () => {
    const evaluation = new Evaluation();
    const hub = [issue({ alert: 'CommitRejected', labels: {} })];
    evaluation.look({ ...ofCluster(issue()), hub });
    evaluation.look({ ...ofCluster(issue()), hub }, FOR_MS);
    expect(evaluation.firing.size).toBe(2);
    expect(evaluation.look({ hub: [] }).resolved.map(({ name }) => name)).toEqual(['CommitRejected']);
    expect(evaluation.look(ofCluster()).resolved.map(({ name }) => name)).toEqual(['PolicyNotEnforced']);
  });

  it('have the duration and the severity of the file', () => {
    const evaluation = new Evaluation();
    const own: AlertRules = () => ({ forMs: 0, severity: 'info' });
    expect(evaluation.look(ofCluster(issue()), 0, own).fired).toMatchObject([{ severity: 'info' }]);
  });

  it('are bounded: those that fire stay, and the rest is one alert', () => {
    const evaluation = new Evaluation();
    const issues = Array.from({ length: MAX_FIRING + 5 }, (_, at) => issue({ alert: 'Tampered', labels: { cluster: `c${at}` } }));
    const clusters = new Map(issues.map((each) => [each.labels.cluster ?? '', [each]]));
    const { fired } = evaluation.look({ hub: [], policies: [], clusters });
    expect([fired.length, fired.at(-1)?.details]).toEqual([MAX_FIRING + 1, `And 5 more than the ${MAX_FIRING} that are kept.`]);
    expect(evaluation.look({ hub: [], policies: [], clusters })).toMatchObject({ fired: [], resolved: [] });
  });

  it('are planned once: what was planned changes nothing more', () => {
    const kinds = fc.constantFrom('Tampered', 'Violations', 'PolicyNotEnforced', 'PolicyConflict');
    const anyIssue = fc.record({ alert: kinds, policy: fc.constantFrom('a', 'b', 'c'), isCurrent: fc.boolean() });
    const instant: AlertRules = () => ({ forMs: 0, severity: undefined });
    fc.assert(
      fc.property(fc.array(anyIssue), fc.array(anyIssue), (first, second) => {
        const evaluation = new Evaluation();
        const issuesOf = (list: typeof first): CurrentIssues =>
          ofCluster(...list.map(({ alert, policy, isCurrent }) => issue({ alert, isCurrent, labels: { cluster: 'eu', policy } })));
        evaluation.look(issuesOf(first), 1, instant);
        evaluation.look(issuesOf(second), 1, instant);
        expect(evaluation.look(issuesOf(second), 1, instant)).toMatchObject({ fired: [], resolved: [], changed: [] });
      }),
    );
  });
});

describe('issues of one cluster', () => {
  const failures = Array.from({ length: 67 }, (_, at) => issue({ labels: { cluster: 'eu', policy: `p${at}` } }));

  it('are named up to a number of each severity, and counted beyond', () => {
    const warning = issue({ alert: 'ClusterAway', severity: 'warning', labels: { cluster: 'eu' } });
    const bounded = boundIssues([...failures, warning], { cluster: 'eu' }, () => false);
    expect(bounded).toHaveLength(NAMED_PER_CLUSTER + 2);
    expect(bounded).toContain(warning);
    expect(bounded.find(({ alert }) => alert === 'MoreAlerts')).toMatchObject({
      severity: 'critical',
      problem: 'And 57 more: 57 PolicyNotEnforced.',
    });
  });

  it('keep their names while others come and go', () => {
    const named = new Set(['p60', 'p66']);
    const bounded = boundIssues(failures, { cluster: 'eu' }, ({ labels }) => named.has(labels.policy ?? ''));
    expect(bounded.map(({ labels }) => labels.policy)).toEqual(expect.arrayContaining(['p60', 'p66', 'p0', 'p7']));
  });
});
