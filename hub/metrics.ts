import { ALERT_SEVERITIES } from '@fso/shared/api';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AlertMetrics } from './alerts/index.ts';
import type { DeliveryMetrics, NackClass } from './delivery/index.ts';
import type { HubCertificate } from './identity/index.ts';

/** Steps with a measured duration: of a commit, of the ledger, and of plans of branches. */
const STEPS = ['fetch', 'check', 'compile', 'ledger', 'branch'] as const;
/** Step in the duration histogram. The steps in the record of a commit are others. */
export type HubStep = (typeof STEPS)[number];
const RESULTS = ['ok', 'error'] as const;
/** Result of a measured step, a label of its duration. */
export type StepResult = (typeof RESULTS)[number];

const NACK_CLASSES: readonly NackClass[] = ['untrusted', 'invalid', 'incomplete'];

/** Bucket bounds in seconds: fine in the expected range of a step, coarse above it. */
const STEP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
/**
 * Bucket bounds in seconds. The goal is one second. Minutes mean that a commit waits for a person.
 */
const ENFORCEMENT_BUCKETS = [0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900];

const createAlertMetrics = (registry: Registry): AlertMetrics => {
  const registers = [registry];
  const notifications = new Counter({
    name: 'fso_hub_notifications_total',
    help: 'Attempts to send a notification of alerts, by kind of receiver: delivered, failed (it is tried again), refused (it is not).',
    labelNames: ['kind', 'result'],
    registers,
  });
  const waiting = new Gauge({
    name: 'fso_hub_notifications_waiting',
    help: 'Notifications that are recorded and not sent yet, at the hub that leads.',
    registers,
  });
  const firing = new Gauge({
    name: 'fso_hub_alerts_firing',
    help: 'Alerts that fire and are not silenced, at the hub that leads.',
    labelNames: ['severity'],
    registers,
  });
  return {
    notified: (kind, result) => notifications.inc({ kind, result }),
    waiting: (count) => waiting.set(count),
    firing: (counts) => {
      for (const severity of ALERT_SEVERITIES) firing.set({ severity }, counts[severity]);
    },
  };
};

/** Creates and registers the metrics of the hub. Call once per registry. */
export const createHubMetrics = (registry: Registry) => {
  const registers = [registry];
  const steps = new Histogram({
    name: 'fso_hub_step_duration_seconds',
    help: 'Time of a step by result: fetch, check (signature and content of a commit; error: it is rejected), compile, ledger (one transaction), branch (read for a plan).',
    labelNames: ['step', 'result'],
    buckets: STEP_BUCKETS,
    registers,
  });
  const commitEnforcement = new Histogram({
    name: 'fso_hub_commit_enforcement_seconds',
    help: 'Time from the fetch of a commit until every connected cluster has proven it; observed by the hub that leads, while no RolloutStrategy is in force.',
    buckets: ENFORCEMENT_BUCKETS,
    registers,
  });
  const clusterEnforcement = new Histogram({
    name: 'fso_hub_cluster_enforcement_seconds',
    help: 'Time from the offer of a commit to a cluster until the cluster has proven it; observed by the hub that leads, while no RolloutStrategy is in force.',
    buckets: ENFORCEMENT_BUCKETS,
    registers,
  });
  const connected = new Gauge({ name: 'fso_hub_connected_agents', help: 'Agents that are connected to this hub.', registers });
  const offers = new Counter({ name: 'fso_hub_offers_total', help: 'Offers sent.', registers });
  const nacks = new Counter({
    name: 'fso_hub_nacks_total',
    help: 'Revisions that an agent refused, by reason: untrusted, invalid (content), incomplete (objects missing; they are offered again).',
    labelNames: ['reason'],
    registers,
  });
  const reports = new Counter({ name: 'fso_hub_reports_total', help: 'Reports accepted.', registers });
  // A counter that first appears with an error hides that error from rate(), so all start at 0.
  for (const step of STEPS) for (const result of RESULTS) steps.zero({ step, result });
  for (const reason of NACK_CLASSES) nacks.inc({ reason }, 0);
  return {
    alerts: createAlertMetrics(registry),
    delivery: {
      connected: (count) => connected.set(count),
      offered: () => offers.inc(),
      nacked: (reason) => nacks.inc({ reason }),
      reported: () => reports.inc(),
    } satisfies DeliveryMetrics,
    rollout: {
      /**
       * Observes the time from the fetch of a commit until every connected cluster has proven it.
       */
      enforced: (seconds: number): void => commitEnforcement.observe(seconds),
      /** Observes the time from the offer of a commit until one cluster has proven it. */
      proven: (seconds: number): void => clusterEnforcement.observe(seconds),
    },
    step: (step: HubStep, result: StepResult, seconds: number): void => steps.observe({ step, result }, seconds),
  };
};

/** Metrics of the hub, each with a function that counts or observes. */
export type HubMetrics = ReturnType<typeof createHubMetrics>;

/** Functions by which a scrape reads values from the parts of a hub. */
export interface HubReadings {
  /** Number of waiting items by queue. */
  readonly queues: () => Readonly<Record<'connections' | 'agents' | 'offers' | 'ledger', number>>;
  readonly certificates: () => readonly HubCertificate[];
  /** Share of late timer ticks, 0 to 1; see PauseDetector. */
  readonly lateShare: () => number;
  readonly rollout: () => { readonly held: number; readonly isHalted: boolean };
}

/** Registers the gauges that are read at each scrape. Call once per registry. */
export const registerHubReadings = (registry: Registry, { queues, certificates, lateShare, rollout }: HubReadings): void => {
  const registers = [registry];
  new Gauge({
    name: 'fso_hub_queue_length',
    help: 'What waits, by queue: connections (of agents, for their handshake), agents (to be greeted), offers (to be sent), ledger (changes to be written).',
    labelNames: ['queue'],
    registers,
    collect() {
      for (const [queue, length] of Object.entries(queues())) this.set({ queue }, length);
    },
  });
  new Gauge({
    name: 'fso_hub_late_ticks_ratio',
    help: 'Share of the seconds of the last minute that came more than a second late: above 0.2 the hub has too little processor time.',
    registers,
    collect() {
      this.set(lateShare());
    },
  });
  new Gauge({
    name: 'fso_hub_rollout_waiting_clusters',
    help: 'Clusters that keep an older commit until it is the turn of their wave.',
    registers,
    collect() {
      this.set(rollout().held);
    },
  });
  new Gauge({
    name: 'fso_hub_rollout_halted',
    help: '1 while a failed gate keeps the rollout of the newest commit from going on.',
    registers,
    collect() {
      this.set(rollout().isHalted ? 1 : 0);
    },
  });
  new Gauge({
    name: 'fso_hub_certificate_expiry_timestamp_seconds',
    help: "Expiry of the hub's certificates: server (the agents' listener), ca (of the agents).",
    labelNames: ['certificate'],
    registers,
    collect() {
      for (const { of, expires } of certificates()) this.set({ certificate: of }, expires.getTime() / 1000);
    },
  });
};
