import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { MONITORED_CHARTS, type MonitoredChart, readRuleGroups, readRules } from '../harness/monitoring-files.ts';
import { Promtool } from '../harness/prometheus.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { never } from '../harness/waiting.ts';

/** The alerts of the charts, in promtool: each fires when it should, and resolves. */

let folder: string;
let promtool: Promtool;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-alert-rules-'));
  promtool = await Promtool.open(never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/**
 * Series as promtool writes them, a value a minute; and minutes at which the alert does not fire
 * yet, fires, and has resolved.
 */
interface AlertCase {
  readonly series: Readonly<Record<string, string>>;
  readonly at: readonly [quiet: number, fires: number, resolved: number];
}

const HUB = 'job="fso-hub", namespace="fso"';
const AGENT = 'cluster="eu"';

/** Bad for 40 minutes, and good from then on. @param at the first minute at which it fires */
const gauge = (series: string, [bad, good]: readonly [number, number], fires: number): AlertCase => ({
  series: { [series]: `${bad}x39 ${good}x60` },
  at: [Math.max(0, fires - 1), fires, 41],
});

/** The same of a gauge that has several kinds, of which one is bad, and that is good at first. */
const kind = (name: string, labels: string, fires: number): AlertCase => ({
  series: { [`${name}{${labels}}`]: '0x4 2x39 0x60' },
  at: [fires + 4, fires + 5, 46],
});

const steps = (labels: string, values: string) => ({ [`fso_hub_step_duration_seconds_count{${labels}, ${HUB}}`]: values });

const CASES: Readonly<Record<MonitoredChart, Readonly<Record<string, AlertCase>>>> = {
  'fso-hub': {
    FsoHubAbsent: { series: { [`fso_hub_build_info{${HUB}}`]: '_x39 1x60' }, at: [4, 5, 41] },
    FsoHubWithoutLeader: {
      series: { [`fso_hub_leader{instance="a", ${HUB}}`]: '1x4 0x60', [`fso_hub_leader{instance="b", ${HUB}}`]: '0x19 1x60' },
      at: [6, 7, 21],
    },
    FsoLedgerUnavailable: {
      series: { [`fso_hub_ledger_writable{instance="a", ${HUB}}`]: '0x39 1x60', [`fso_hub_ledger_writable{instance="b", ${HUB}}`]: '1x99' },
      at: [0, 1, 41],
    },
    FsoLedgerBehind: gauge(`fso_hub_ledger_behind_seconds{${HUB}}`, [60, 0], 2),
    FsoHubQueueLong: gauge(`fso_hub_queue_length{queue="ledger", ${HUB}}`, [5000, 3], 10),
    FsoHubStepFails: { series: steps('step="compile", result="error"', '0+1x39 40x60'), at: [10, 12, 50] },
    FsoBadCredentials: { series: { [`fso_hub_auth_failures_total{reason="invalid", ${HUB}}`]: '0+30x39 1200x60' }, at: [3, 12, 55] },
    FsoSourceUnreachable: {
      series: { ...steps('step="fetch", result="error"', '0+5x29 150x60'), ...steps('step="fetch", result="ok"', '0x29 0+5x60') },
      at: [5, 8, 35],
    },
    FsoCommitRejected: gauge(`fso_hub_commit_rejected{${HUB}}`, [1, 0], 1),
    FsoRolloutHalted: gauge(`fso_hub_rollout_halted{${HUB}}`, [1, 0], 1),
    FsoCommitRefused: kind('fso_hub_clusters', `state="refusing", ${HUB}`, 1),
    FsoPolicyNotProven: kind('fso_hub_clusters', `state="pending", ${HUB}`, 10),
    FsoEnforcementSlow: {
      series: {
        [`fso_hub_commit_enforcement_seconds_bucket{le="60", ${HUB}}`]: '0x150',
        [`fso_hub_commit_enforcement_seconds_bucket{le="300", ${HUB}}`]: '0+1x29 30x120',
        [`fso_hub_commit_enforcement_seconds_bucket{le="+Inf", ${HUB}}`]: '0+1x29 30x120',
      },
      at: [3, 10, 95],
    },
    FsoClusterAway: kind('fso_hub_clusters', `state="disconnected", ${HUB}`, 15),
    FsoClusterNotObserved: kind('fso_hub_clusters', `state="not_observed", ${HUB}`, 5),
    FsoPolicyNotEnforced: kind('fso_hub_policies', `phase="failed", ${HUB}`, 5),
    FsoPolicyExpiring: { series: { [`fso_hub_expiring_policies{${HUB}}`]: '1x80 0x60' }, at: [59, 60, 82] },
    FsoViolations: kind('fso_hub_violations', `enforcement_action="deny", ${HUB}`, 15),
    FsoTampered: { series: { [`fso_hub_tampered_clusters{${HUB}}`]: '0x4 1x60 0x60' }, at: [4, 5, 67] },
    FsoNodesDisputed: gauge(`fso_hub_clusters_with_disputed_nodes{${HUB}}`, [1, 0], 5),
    FsoLockNotReady: kind('fso_hub_unready_locks', `lock="floor", ${HUB}`, 10),
    FsoGatekeeperNotReady: kind('fso_hub_unready_locks', `lock="gatekeeper", ${HUB}`, 10),
    // Seconds since 1970, where the clock of promtool begins.
    FsoHubCertificateExpiring: gauge(`fso_hub_certificate_expiry_timestamp_seconds{certificate="server", ${HUB}}`, [80_000, 604_800], 10),
    FsoCaExpiring: {
      series: { [`fso_hub_certificate_expiry_timestamp_seconds{certificate="ca", ${HUB}}`]: '5000000x80 300000000x60' },
      at: [59, 60, 82],
    },
    FsoCertificateExpiring: gauge(`fso_hub_agent_certificate_expiry_timestamp_seconds{${HUB}}`, [20_000, 86_400], 10),
  },
  'fso-agent': {
    FsoAgentAbsent: { series: { [`fso_agent_build_info{${AGENT}}`]: '_x39 1x60' }, at: [4, 5, 41] },
    FsoAgentWithoutLeader: {
      series: { [`fso_agent_leader{pod="a", ${AGENT}}`]: '1x4 0x60', [`fso_agent_leader{pod="b", ${AGENT}}`]: '0x19 1x60' },
      at: [6, 7, 21],
    },
    FsoAgentClusterAway: gauge(`fso_agent_hub_connected{${AGENT}}`, [0, 1], 15),
    FsoAgentNodesDisputed: gauge(`fso_agent_disputed_nodes{${AGENT}}`, [2, 0], 5),
    FsoAgentClusterNotObserved: { series: { [`fso_agent_out_of_date{observation="Pod", ${AGENT}}`]: '_x5 1x39' }, at: [9, 10, 50] },
    FsoAgentCertificateExpiring: gauge(`fso_agent_certificate_expiry_timestamp_seconds{${AGENT}}`, [20_000, 86_400], 10),
    FsoAgentReconcileFails: {
      series: { [`fso_agent_reconcile_duration_seconds_count{result="error", ${AGENT}}`]: '0+1x39 40x60' },
      at: [10, 12, 50],
    },
    FsoAgentWritesFail: gauge(`fso_agent_failing_writes{${AGENT}}`, [3, 0], 10),
    FsoAgentWritesWait: gauge(`fso_agent_waiting_writes{${AGENT}}`, [900, 0], 10),
    FsoAgentPolicyNotProven: gauge(`fso_agent_proven{${AGENT}}`, [0, 1], 10),
    FsoAgentProofOld: {
      series: { [`fso_agent_oldest_proof_timestamp_seconds{lock="floor", ${AGENT}}`]: '0x89 5400x60' },
      at: [70, 72, 92],
    },
    FsoAgentLockNotReady: gauge(`fso_agent_lock_ready{lock="guard", ${AGENT}}`, [0, 1], 10),
    FsoAgentGatekeeperNotReady: gauge(`fso_agent_lock_ready{lock="gatekeeper", ${AGENT}}`, [0, 1], 10),
    FsoAgentPolicyNotEnforced: kind('fso_agent_policies', `phase="Failed", ${AGENT}`, 5),
    FsoAgentViolations: kind('fso_agent_violations', `enforcement_action="deny", ${AGENT}`, 15),
    FsoAgentTampered: { series: { [`fso_agent_tampering_total{pod="new", ${AGENT}}`]: '_x5 1x60' }, at: [4, 6, 20] },
    FsoAgentRevisionNotTrusted: { series: { [`fso_agent_untrusted_revisions_total{${AGENT}}`]: '0x4 1x60' }, at: [4, 6, 25] },
  },
};

/** A test of promtool: whether the alert fires, at each of its times. */
const testOf = (alert: string, { series, at: [quiet, fires, resolved] }: AlertCase) => {
  const expr = `count(ALERTS{alertstate="firing", alertname="${alert}"})`;
  const firing = [{ labels: '{}', value: 1 }];
  return {
    name: alert,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      { expr, eval_time: `${quiet}m`, exp_samples: [] },
      { expr, eval_time: `${fires}m`, exp_samples: firing },
      { expr, eval_time: `${resolved}m`, exp_samples: [] },
    ],
  };
};

describe.each(MONITORED_CHARTS)('the alerts of %s', (chart) => {
  const rules = readRules(chart);
  const rulesFile = (): string => join(folder, `${chart}.yaml`);

  beforeAll(() => writeFile(rulesFile(), stringify(readRuleGroups(chart))));

  it('are rules that promtool finds nothing wrong with', async () => {
    expect(await promtool.run(['check', 'rules', '--lint=all', '--lint-fatal', rulesFile()])).toContain(`${rules.length} rules found`);
  });

  it('all have a case here', () => {
    expect(new Set(Object.keys(CASES[chart]))).toEqual(new Set(rules.map(({ alert }) => alert)));
  });

  it.each(Object.entries(CASES[chart]))('%s fires in time, not before, and resolves', async (alert, alertCase) => {
    const file = join(folder, `${alert}.yaml`);
    await writeFile(file, stringify({ rule_files: [rulesFile()], evaluation_interval: '1m', tests: [testOf(alert, alertCase)] }));
    expect(await promtool.run(['test', 'rules', file])).toContain('SUCCESS');
  });
});

it('the rules that docs/operate/monitor.md makes for a Prometheus without the operator are the same', async () => {
  const shell = await Shell.open({ folder }, never);
  await shell.run(
    `cd ${folder}; ln -sf ${join(import.meta.dirname, '..', '..', 'deploy')} deploy\n${documentedCommands('docs/operate/monitor.md', 'rules')}`,
  );
  const found = await promtool.run(['check', 'rules', join(folder, 'fso-hub-rules.yaml'), join(folder, 'fso-agent-rules.yaml')]);
  for (const chart of MONITORED_CHARTS) expect(found).toContain(`${readRules(chart).length} rules found`);
});
