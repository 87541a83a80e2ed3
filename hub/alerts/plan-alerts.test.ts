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
  ledMs = Number.POSITIVE_INFINITY;
  nowMs = 0;

  look(issues: CurrentIssues, after = 0, with_: AlertRules = rules) {
    this.nowMs += after;
    const plan = planAlerts({ issues, firing: this.firing, pending: this.pending, ledMs: this.ledMs, rules: with_, nowMs: this.nowMs });
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

  it('are one for several problems with the same labels, and describe them all', () => {
    const evaluation = new Evaluation();
    const locks = [issue({ alert: 'PolicyLockDegraded', problem: 'Lock 1.' }), issue({ alert: 'PolicyLockDegraded', problem: 'Lock 2.' })];
    evaluation.look(ofCluster(...locks));
    const { fired } = evaluation.look(ofCluster(...locks), 3_600_000);
    expect(fired.map(({ details }) => details)).toEqual(['Lock 1.\nLock 2.']);
  });

  it('neither begin nor end by the last report of a cluster that went away', () => {
    const evaluation = new Evaluation();
    evaluation.look(ofCluster(issue({ isCurrent: false })));
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).fired).toEqual([]);
    evaluation.look(ofCluster(issue()));
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).fired).toHaveLength(1);
    expect(evaluation.look(ofCluster(issue({ isCurrent: false })), FOR_MS).resolved).toEqual([]);
  });

  it('stay while an agent does not observe its cluster; those that the hub sees by itself end', () => {
    const evaluation = new Evaluation();
    const away = issue({ alert: 'ClusterAway', severity: 'warning', labels: { cluster: 'eu' } });
    evaluation.look(ofCluster(issue(), away));
    expect(evaluation.look(ofCluster(issue(), away), 3_600_000).fired).toHaveLength(2);
    const { resolved } = evaluation.look({ ...ofCluster(), notObserved: new Set(['eu']) });
    expect(resolved.map(({ name }) => name)).toEqual(['ClusterAway']);
    expect(evaluation.look(ofCluster()).resolved.map(({ name }) => name)).toEqual(['PolicyNotEnforced']);
  });

  it.each([
    ['RisksAppeared', 'risksUnknown'],
    ['DenialsRise', 'denialsUnknown'],
  ] as const)('stay for %s while it is in %s of its cluster', (alert, unknown) => {
    const evaluation = new Evaluation();
    const reported = issue({ alert, severity: 'warning' });
    evaluation.look(ofCluster(reported));
    expect(evaluation.look(ofCluster(reported), 3_600_000).fired).toHaveLength(1);
    expect(evaluation.look({ ...ofCluster(), [unknown]: new Set(['eu']) }).resolved).toEqual([]);
    expect(evaluation.look(ofCluster()).resolved).toHaveLength(1);
  });

  it('stay for the risks of a policy that no dry run has shown yet', () => {
    const evaluation = new Evaluation();
    const risk = issue({ alert: 'RisksAppeared', severity: 'warning' });
    evaluation.look(ofCluster(risk));
    expect(evaluation.look(ofCluster(risk), 3_600_000).fired).toHaveLength(1);
    const untried = `eu/${risk.labels.policy}`;
    expect(evaluation.look({ ...ofCluster(), risksUnknown: new Set([untried]) }).resolved).toEqual([]);
    expect(evaluation.look(ofCluster()).resolved).toHaveLength(1);
  });

  it('continue while the problem is unknown', () => {
    const evaluation = new Evaluation();
    const hub = [issue({ alert: 'CommitRejected', labels: {} })];
    evaluation.look({ ...ofCluster(issue()), hub });
    evaluation.look({ ...ofCluster(issue()), hub }, FOR_MS);
    expect(evaluation.firing.size).toBe(2);
    expect(evaluation.look({ hub: [] }).resolved.map(({ name }) => name)).toEqual(['CommitRejected']);
    expect(evaluation.look(ofCluster()).resolved.map(({ name }) => name)).toEqual(['PolicyNotEnforced']);
  });

  it('use the start that an earlier hub recorded, and fire a minute after this one has begun at the earliest', () => {
    const evaluation = new Evaluation();
    evaluation.nowMs = 10 * FOR_MS;
    const seen = new Map(
      [issue(), issue({ labels: { cluster: 'us' } })].map(({ alert: name, ...rest }) => [identityOf({ name, ...rest }), 0]),
    );
    evaluation.pending = seen;
    evaluation.ledMs = 0;
    expect(evaluation.look({ hub: [] }).pending).toEqual(seen);
    expect(evaluation.look({ ...ofCluster(), unknown: new Set(['eu']) }).pending).toEqual(new Map([...seen].slice(0, 1)));
    expect(evaluation.look(ofCluster(issue()))).toMatchObject({ fired: [], nextMs: 10 * FOR_MS + 60_000 });
    evaluation.ledMs = 60_000;
    expect(evaluation.look(ofCluster(issue()), 60_000).fired).toHaveLength(1);
  });

  it('have the duration and the severity of the file', () => {
    const evaluation = new Evaluation();
    const own: AlertRules = () => ({ forMs: 0, severity: 'info' });
    expect(evaluation.look(ofCluster(issue()), 0, own).fired).toMatchObject([{ severity: 'info' }]);
  });

  it('are bounded: firing ones stay, and the rest is one alert', () => {
    const evaluation = new Evaluation();
    const issues = Array.from({ length: MAX_FIRING + 5 }, (_, at) => issue({ alert: 'Tampered', labels: { cluster: `c${at}` } }));
    const clusters = new Map(issues.map((each) => [each.labels.cluster ?? '', [each]]));
    const { fired } = evaluation.look({ hub: [], policies: [], clusters });
    expect([fired.length, fired.at(-1)?.details]).toEqual([MAX_FIRING + 1, `And 5 more than the ${MAX_FIRING} that are kept.`]);
    expect(evaluation.look({ hub: [], policies: [], clusters })).toMatchObject({ fired: [], resolved: [] });
  });

  it('make room for those of the hub and the most severe first; others wait for room', () => {
    const evaluation = new Evaluation();
    const clusters = (count: number, last: Issue[]): ReadonlyMap<string, readonly Issue[]> =>
      new Map([
        ...Array.from({ length: count }, (_, at): [string, Issue[]] => [
          `c${at}`,
          [issue({ alert: 'Violations', severity: 'warning', labels: { cluster: `c${at}`, policy: 'finance' } })],
        ]),
        ['last', last],
      ]);
    const forMs = ALERT_RULES.Violations.forSeconds * 1_000;
    const tampered = issue({ alert: 'Tampered', labels: { cluster: 'last' } });
    evaluation.look({ hub: [], policies: [], clusters: clusters(MAX_FIRING, []) });
    const { fired } = evaluation.look({ hub: [], policies: [], clusters: clusters(MAX_FIRING, [tampered]) }, forMs);
    expect(fired.map(({ name }) => name)).toEqual(expect.arrayContaining(['Tampered', 'MoreAlerts']));
    const hub = [issue({ alert: 'CommitRejected', labels: {} })];
    const full = { hub, policies: [], clusters: clusters(MAX_FIRING, [tampered]) };
    expect(evaluation.look(full, 1)).toMatchObject({ fired: [{ name: 'CommitRejected' }], resolved: [] });
    const { fired: later, resolved } = evaluation.look({ ...full, clusters: clusters(MAX_FIRING, []) }, 1);
    expect([later, resolved.map(({ name }) => name)]).toEqual([[], ['Tampered']]);
    // As it has waited, it fires as soon as there is room.
    const next = evaluation.look({ ...full, clusters: clusters(MAX_FIRING, []) }, 1);
    expect([next.fired.map(({ name }) => name), next.resolved.map(({ name }) => name)]).toEqual([['Violations'], ['MoreAlerts']]);
  });

  it('continue for the audit log and for an expected cluster while their state is unknown', () => {
    const evaluation = new Evaluation();
    const audit = [issue({ alert: 'AuditLogInvalid', labels: {} })];
    const clusters = new Map([['eu', [issue({ alert: 'ClusterUnregistered', severity: 'warning', labels: { cluster: 'eu' } })]]]);
    const instant: AlertRules = () => ({ forMs: 0, severity: undefined });
    expect(evaluation.look({ hub: [], audit, policies: [], clusters }, 0, instant).fired).toHaveLength(2);
    const nothing = { hub: [], policies: [], clusters: new Map() };
    expect(evaluation.look({ ...nothing, unknown: new Set(['eu']) }, 1, instant).resolved).toEqual([]);
    expect(evaluation.look({ ...nothing, audit: [] }, 1, instant).resolved).toHaveLength(2);
  });

  it('continue where their labels change, also for a cluster that is away', () => {
    const evaluation = new Evaluation();
    evaluation.look(ofCluster(issue()));
    evaluation.look(ofCluster(issue()), FOR_MS);
    const moved = issue({ isCurrent: false, labels: { cluster: 'eu', policy: 'finance', team: 'payments' } });
    expect(evaluation.look(ofCluster(moved), 1)).toMatchObject({ fired: [{ labels: moved.labels }], resolved: [{ name: moved.alert }] });
  });

  it('wait no longer when the clock is set back', () => {
    const evaluation = new Evaluation();
    evaluation.nowMs = 1_000_000_000;
    evaluation.look(ofCluster(issue()));
    evaluation.look(ofCluster(issue()), -900_000_000);
    expect(evaluation.look(ofCluster(issue()), FOR_MS).fired).toHaveLength(1);
  });

  it('are planned once: planning again changes nothing', () => {
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

  it('keep their names while others begin and end', () => {
    const named = new Set(['p60', 'p66']);
    const bounded = boundIssues(failures, { cluster: 'eu' }, ({ labels }) => named.has(labels.policy ?? ''));
    expect(bounded.map(({ labels }) => labels.policy)).toEqual(expect.arrayContaining(['p60', 'p66', 'p0', 'p7']));
  });
});
