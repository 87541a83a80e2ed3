import { Phase } from '@fso/shared/api';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PolicySnapshot } from './observe/index.ts';

/** Metrics of the agent. */
export interface AgentMetrics {
  readonly registry: Registry;
  readonly reconcileSeconds: Histogram;
  readonly policies: Gauge<'phase'>;
  readonly violations: Gauge;
  readonly tampering: Counter<'kind'>;
  readonly untrusted: Counter;
  readonly writes: Counter<'kind' | 'result'>;
  readonly probes: Counter<'result'>;
  readonly leader: Gauge;
  readonly proven: Gauge;
  readonly certificateExpiry: Gauge;
}

export const createAgentMetrics = (registry: Registry): AgentMetrics => {
  const registers = [registry];
  return {
    registry,
    reconcileSeconds: new Histogram({
      name: 'fso_agent_reconcile_seconds',
      help: 'Time to plan one round over the whole cluster; the writes run separately.',
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    policies: new Gauge({ name: 'fso_agent_policies', help: 'SovereignPolicies by phase.', labelNames: ['phase'], registers }),
    violations: new Gauge({
      name: 'fso_agent_violations',
      help: 'Pods outside of the regions of a policy, summed over policies.',
      registers,
    }),
    tampering: new Counter({
      name: 'fso_agent_tampering_total',
      help: 'Objects that others changed or deleted and that the agent restored.',
      labelNames: ['kind'],
      registers,
    }),
    untrusted: new Counter({
      name: 'fso_agent_untrusted_revisions_total',
      help: 'Untrusted commits of the hub: refused, or accepted with FSO_VERIFY=warn.',
      registers,
    }),
    writes: new Counter({
      name: 'fso_agent_writes_total',
      help: 'Writes by target kind and result.',
      labelNames: ['kind', 'result'],
      registers,
    }),
    probes: new Counter({ name: 'fso_agent_probe_total', help: 'Proofs by result.', labelNames: ['result'], registers }),
    leader: new Gauge({ name: 'fso_agent_leader', help: '1: this replica enforces.', registers }),
    proven: new Gauge({
      name: 'fso_agent_is_proven',
      help: '1: every policy is proven by each lock that the cluster can have.',
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'fso_agent_certificate_expiry_timestamp_seconds',
      help: "Expiry of the agent's client certificate; 0: it has none.",
      registers,
    }),
  };
};

/** Updates the metrics with the policies of one round. */
export const measure = (policies: Iterable<PolicySnapshot>, metrics: Pick<AgentMetrics, 'policies' | 'violations' | 'proven'>): void => {
  const phases = new Map<Phase, number>(Phase.options.map((phase) => [phase, 0]));
  let violations = 0;
  let allProven = true;
  for (const { report, proven } of policies) {
    phases.set(report.phase, (phases.get(report.phase) ?? 0) + 1);
    violations += report.violations;
    allProven &&= proven;
  }
  for (const [phase, count] of phases) metrics.policies.set({ phase }, count);
  metrics.violations.set(violations);
  metrics.proven.set(allProven ? 1 : 0);
};
