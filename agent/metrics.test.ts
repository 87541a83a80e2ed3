import { CONDITIONS } from '@fso/shared/api';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createAgentMetrics } from './metrics.ts';
import type { AgentSnapshot } from './observe/index.ts';

const condition = (type: string, status: 'True' | 'False') => ({ type, status, reason: 'X', message: '', lastTransitionTime: '' });
const policy = (phase: string, enforcementAction: string, violations: number, proven = true) => ({
  report: { phase, enforcementAction, violations, managedBy: 'hub', conditions: [] },
  proven,
});

const AWAITING = {
  report: {
    ...policy('Failed', 'deny', 0).report,
    managedBy: 'local',
    conditions: [{ ...condition(CONDITIONS.ready, 'False'), reason: 'NamespaceMissing' }],
  },
  proven: true,
};

/**
 * A round with four policies and an open guard: one policy is not proven, one waits for its
 * namespace.
 */
const SNAPSHOT = {
  policies: new Map([
    ['finance', policy('Active', 'deny', 2)],
    ['hr', policy('Active', 'warn', 3)],
    ['payroll', policy('Pending', 'deny', 1, false)],
    ['default/later', AWAITING],
  ]),
  cluster: {
    conditions: [
      condition(CONDITIONS.floorReady, 'True'),
      condition(CONDITIONS.guardReady, 'False'),
      condition(CONDITIONS.risksKnown, 'True'),
    ],
    gatekeeper: { state: 'Ready' },
    denials: { pods: 7, bindings: null },
  },
} as unknown as AgentSnapshot;

/** Series as a scrape has them, without those of counters and histograms. */
const gaugesOf = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics()).split('\n').filter((line) => /^fso_agent_(?!build|leader|.*_(?:total|bucket|sum|count)\b)/.test(line));

it('the leader has the state of the cluster, and the next replica does not find it beside its own', async () => {
  const registry = new Registry();
  const metrics = createAgentMetrics(registry, '1.2.3');
  expect(await gaugesOf(registry)).toEqual([]);
  metrics.beginTerm({
    waitingWrites: () => 4,
    failingWrites: () => 1,
    oldestProofs: () => ({ floor: new Date(60_000) }),
    ages: () => ({ oldestPartMs: 2_000, oldestKindMs: Number.POSITIVE_INFINITY, outOfDate: ['Pod'] }),
    lateShare: () => 0.5,
    disputedNodes: () => 2,
  });
  metrics.hubConnected.set(1);
  metrics.measure(SNAPSHOT);
  expect(await gaugesOf(registry)).toEqual([
    'fso_agent_policies{phase="Pending"} 2',
    'fso_agent_policies{phase="Active"} 2',
    'fso_agent_policies{phase="Failed"} 0',
    'fso_agent_policies{phase="Expired"} 0',
    'fso_agent_violations{enforcement_action="deny"} 3',
    'fso_agent_violations{enforcement_action="warn"} 3',
    'fso_agent_violations{enforcement_action="dryrun"} 0',
    'fso_agent_violations{enforcement_action="custom"} 0',
    'fso_agent_risks{risk="Refused"} 0',
    'fso_agent_risks{risk="Pending"} 0',
    'fso_agent_denials{request="pods"} 7',
    'fso_agent_lock_ready{lock="floor"} 1',
    'fso_agent_lock_ready{lock="guard"} 0',
    'fso_agent_lock_ready{lock="gatekeeper"} 1',
    'fso_agent_proven 0',
    'fso_agent_hub_connected 1',
    'fso_agent_oldest_proof_timestamp_seconds{lock="floor"} 60',
    'fso_agent_waiting_writes 4',
    'fso_agent_failing_writes 1',
    'fso_agent_oldest_part_age_seconds 2',
    'fso_agent_disputed_nodes 2',
    'fso_agent_late_ticks_ratio 0.5',
    'fso_agent_out_of_date{observation="Pod"} 1',
  ]);
  metrics.measure({ ...SNAPSHOT, cluster: { ...SNAPSHOT.cluster, conditions: [condition(CONDITIONS.risksKnown, 'False')] } });
  expect((await gaugesOf(registry)).filter((line) => line.includes('risk'))).toEqual([]);
  metrics.endTerm();
  expect(await gaugesOf(registry)).toEqual([]);
});

it('rounds that request a later round count as successful', async () => {
  const registry = new Registry();
  const { controller } = createAgentMetrics(registry, '1.2.3');
  for (const outcome of ['success', 'requeue', 'error', 'terminal'] as const)
    controller.reconciled({ controller: 'enforce', outcome, durationMs: 5 });
  const text = await registry.metrics();
  for (const result of ['ok', 'error']) expect(text).toContain(`fso_agent_reconcile_duration_seconds_count{result="${result}"} 2`);
});
