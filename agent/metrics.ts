import { CONDITIONS, EnforcementAction, isAwaitingNamespace, Phase, PREVIEW_REFUSALS, RISK_CLASSES } from '@fso/shared/api';
import type { ControllerMetrics } from '@fso/shared/kube';
import type { Ages } from '@fso/shared/protocol';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AgentSnapshot, PolicySnapshot } from './observe/index.ts';

/** Values that a scrape reads from the controller of a leader. */
export interface AgentReadings {
  /** Number of writes that have not started. */
  waitingWrites(): number;
  /** Number of writes whose last attempt failed. */
  failingWrites(): number;
  /** Time of the oldest proof among all namespaces; absent if the lock has nothing to prove. */
  oldestProofs(): Readonly<Partial<Record<'floor' | 'gatekeeper' | 'guard', Date>>>;
  /** Ages of the evidence that the reports are based on. */
  ages(): Ages;
  /** Share of late timers within the last minute, from 0 to 1. */
  lateShare(): number;
  /** undefined if nodes cannot be checked. */
  disputedNodes(): number | undefined;
}

const PROBE_RESULTS = ['proven', 'unproven', 'inconclusive'];

/** Creates the gauges of the cluster's state, which only the leader has. */
const createStateGauges = (registry: Registry, readings: () => AgentReadings | undefined, isProven: () => boolean | undefined) => {
  const registers = [registry];
  return {
    policies: new Gauge({
      name: 'fso_agent_policies',
      help: 'SovereignPolicies by phase; one that was applied in the cluster and waits for its namespace counts as Pending.',
      labelNames: ['phase'],
      registers,
    }),
    violations: new Gauge({
      name: 'fso_agent_violations',
      help: 'Pods outside of the regions of a policy, summed over policies, by the action of the policy.',
      labelNames: ['enforcement_action'],
      registers,
    }),
    risks: new Gauge({
      name: 'fso_agent_risks',
      help: 'Owners whose next pods would be refused by the locks (Refused), or would stay pending as no node inside fits (Pending), summed over policies; absent while risks are unknown.',
      labelNames: ['risk'],
      registers,
    }),
    denials: new Gauge({
      name: 'fso_agent_denials',
      help: "Requests that lock 1 refused within the last hour, by what they ask for (pods, bindings), without the agent's own dry runs; absent while that is not known.",
      labelNames: ['request'],
      registers,
    }),
    lockReady: new Gauge({
      name: 'fso_agent_lock_ready',
      help: '1: the lock is ready: floor and guard (ValidatingAdmissionPolicies), gatekeeper.',
      labelNames: ['lock'],
      registers,
    }),
    proven: new Gauge({
      name: 'fso_agent_proven',
      help: '1: every policy is proven by each lock that the cluster can have, and nothing that this rests on is out of date.',
      labelNames: [],
      registers,
      collect() {
        const isObserved = readings()?.ages().outOfDate.length === 0;
        const proven = isProven();
        setOrRemove(this, proven === undefined ? undefined : Number(proven && isObserved));
      },
    }),
    certificateExpiry: new Gauge({
      name: 'fso_agent_certificate_expiry_timestamp_seconds',
      help: "Expiry of the agent's client certificate; absent: it has none.",
      registers,
    }),
    hubConnected: new Gauge({
      name: 'fso_agent_hub_connected',
      help: '1: the agent is connected to its hub; absent: it has none.',
      registers,
    }),
    oldestProof: new Gauge({
      name: 'fso_agent_oldest_proof_timestamp_seconds',
      help: 'Time of the oldest proof, by lock: floor, gatekeeper (among all governed namespaces), guard (among its policies). One that was never proven counts from when it was first to be.',
      labelNames: ['lock'],
      registers,
      collect() {
        this.reset();
        for (const [lock, time] of Object.entries(readings()?.oldestProofs() ?? {})) this.set({ lock }, time.getTime() / 1000);
      },
    }),
  };
};

/** Creates the gauges that read the controller of a leader. */
const createReadingGauges = (registry: Registry, readings: () => AgentReadings | undefined): void => {
  const registers = [registry];
  const seconds = (ms: number | undefined): number | undefined => (ms === undefined || !Number.isFinite(ms) ? undefined : ms / 1000);
  const gauges: readonly [name: string, help: string, read: () => number | undefined][] = [
    ['fso_agent_waiting_writes', 'Writes to the API server that wait for their turn.', () => readings()?.waitingWrites()],
    ['fso_agent_failing_writes', 'Writes to the API server that failed last and are tried again.', () => readings()?.failingWrites()],
    [
      'fso_agent_oldest_part_age_seconds',
      'Time since the part of a round ran without an error that did so longest ago; absent: one never did.',
      () => seconds(readings()?.ages().oldestPartMs),
    ],
    [
      'fso_agent_oldest_kind_age_seconds',
      'Time since the kind was seen that was seen longest ago; absent: of one nothing was heard yet.',
      () => seconds(readings()?.ages().oldestKindMs),
    ],
    [
      'fso_agent_disputed_nodes',
      'Nodes whose providerID, zone and region contradict each other; absent: there is no catalogue of regions to compare them with.',
      () => readings()?.disputedNodes(),
    ],
    [
      'fso_agent_late_ticks_ratio',
      "Share of the last minute's timers that were more than a second late, from 0 to 1.",
      () => readings()?.lateShare(),
    ],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name,
      help,
      registers,
      // Absent without a value.
      collect() {
        setOrRemove(this, read());
      },
    });
  }
  new Gauge({
    name: 'fso_agent_out_of_date',
    help: '1: this part of a round, or kind, is out of date, and nothing that rests on it counts as proven.',
    labelNames: ['observation'],
    registers,
    collect() {
      this.reset();
      for (const observation of readings()?.ages().outOfDate ?? []) this.set({ observation }, 1);
    },
  });
};

type StateGauges = ReturnType<typeof createStateGauges>;

const setOrRemove = (gauge: Gauge, value: number | undefined): void => {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
};

const clearState = (gauges: StateGauges): void => {
  for (const gauge of [gauges.policies, gauges.violations, gauges.risks, gauges.denials, gauges.lockReady]) gauge.reset();
  for (const gauge of [gauges.proven, gauges.certificateExpiry, gauges.hubConnected]) gauge.remove();
};

/** @returns whether all policies are proven */
const measurePolicies = (policies: Iterable<PolicySnapshot>, gauges: StateGauges): boolean => {
  const phases = new Map<Phase, number>(Phase.options.map((phase) => [phase, 0]));
  const violations = new Map<EnforcementAction, number>(EnforcementAction.options.map((action) => [action, 0]));
  let allProven = true;
  for (const { report, proven } of policies) {
    const phase = isAwaitingNamespace(report) ? 'Pending' : report.phase;
    phases.set(phase, (phases.get(phase) ?? 0) + 1);
    violations.set(report.enforcementAction, (violations.get(report.enforcementAction) ?? 0) + report.violations);
    allProven &&= proven;
  }
  for (const [phase, count] of phases) gauges.policies.set({ phase }, count);
  for (const [action, count] of violations) gauges.violations.set({ enforcement_action: action }, count);
  return allProven;
};

const isTrue = ({ conditions }: AgentSnapshot['cluster'], wanted: string): boolean =>
  conditions.some(({ type, status }) => type === wanted && status === 'True');

/** Sums up the risks of all policies. Without a value unless every owner was judged. */
const measureRisks = ({ policies, cluster }: AgentSnapshot, { risks }: StateGauges): void => {
  risks.reset();
  if (!isTrue(cluster, CONDITIONS.risksKnown)) return;
  const counts = { Refused: 0, Pending: 0 };
  for (const { report } of policies.values()) {
    counts.Refused += report.risks?.refused ?? 0;
    counts.Pending += report.risks?.pending ?? 0;
  }
  for (const risk of RISK_CLASSES) risks.set({ risk }, counts[risk]);
};

const measureDenials = ({ cluster: { denials } }: AgentSnapshot, gauges: StateGauges): void => {
  gauges.denials.reset();
  for (const request of ['pods', 'bindings'] as const) if (denials?.[request] != null) gauges.denials.set({ request }, denials[request]);
};

const measureLocks = (cluster: AgentSnapshot['cluster'], { lockReady }: StateGauges): void => {
  const { gatekeeper } = cluster;
  lockReady.set({ lock: 'floor' }, isTrue(cluster, CONDITIONS.floorReady) ? 1 : 0);
  lockReady.set({ lock: 'guard' }, isTrue(cluster, CONDITIONS.guardReady) ? 1 : 0);
  lockReady.set({ lock: 'gatekeeper' }, gatekeeper.state === 'Ready' ? 1 : 0);
};

const createPreviewCounter = (registers: Registry[]) => {
  const previews = new Counter({
    name: 'fso_agent_previews_total',
    help: 'Questions of the hub about what a change of policies would do, by outcome: Answered, or why not.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['Answered', ...PREVIEW_REFUSALS]) previews.inc({ outcome }, 0);
  return previews;
};

/**
 * Registers the metrics, once per registry.
 *
 * @param version version of the agent
 */
export const createAgentMetrics = (registry: Registry, version: string) => {
  const registers = [registry];
  let readings: AgentReadings | undefined;
  const reconciles = new Histogram({
    name: 'fso_agent_reconcile_duration_seconds',
    help: 'Time to plan one round over the whole cluster, by result (error: a part of it failed); the writes run separately.',
    labelNames: ['result'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  const probes = new Counter({ name: 'fso_agent_probes_total', help: 'Probes of the locks by result.', labelNames: ['result'], registers });
  let isProven: boolean | undefined;
  const gauges = createStateGauges(
    registry,
    () => readings,
    () => isProven,
  );
  createReadingGauges(registry, () => readings);
  new Gauge({ name: 'fso_agent_build_info', help: '1, with the version of the agent.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  // Starts at zero, because a series that begins with its first error would hide it from rate().
  for (const result of ['ok', 'error']) reconciles.zero({ result });
  for (const result of PROBE_RESULTS) probes.inc({ result }, 0);
  clearState(gauges);
  return {
    registry,
    controller: {
      reconciled: ({ outcome, durationMs }) => {
        const isOk = outcome === 'success' || outcome === 'requeue';
        reconciles.observe({ result: isOk ? 'ok' : 'error' }, durationMs / 1000);
      },
    } satisfies ControllerMetrics,
    tampering: new Counter({
      name: 'fso_agent_tampering_total',
      help: 'Objects that others changed or deleted and that the agent restored.',
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
    probes,
    previews: createPreviewCounter(registers),
    templateDryRuns: new Counter({
      name: 'fso_agent_template_dry_runs_total',
      help: 'Dry runs of pods from the templates of owners, by what answered: admitted, refused by a lock, or unanswered.',
      labelNames: ['result'],
      registers,
    }),
    leader: new Gauge({ name: 'fso_agent_leader', help: '1: this replica enforces.', registers }),
    certificateExpiry: gauges.certificateExpiry,
    hubConnected: gauges.hubConnected,
    /** Publishes the state after one reconcile. */
    measure: (snapshot: AgentSnapshot): void => {
      isProven = measurePolicies(snapshot.policies.values(), gauges);
      measureRisks(snapshot, gauges);
      measureDenials(snapshot, gauges);
      measureLocks(snapshot.cluster, gauges);
    },
    /** Sets the source of the values for this term. */
    beginTerm: (next: AgentReadings): void => {
      readings = next;
    },
    /** Removes the values of this term, so that they do not stay beside the next leader's. */
    endTerm: (): void => {
      readings = undefined;
      isProven = undefined;
      clearState(gauges);
    },
  };
};

/** Prometheus metrics of an agent. */
export type AgentMetrics = ReturnType<typeof createAgentMetrics>;
