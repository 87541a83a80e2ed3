import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { DeliveryMetrics } from './delivery/index.ts';

export interface HubMetrics {
  readonly delivery: DeliveryMetrics;
  readonly source: { fetched(seconds: number): void; failed(): void };
  compiled(seconds: number): void;
  revision(revision: string): void;
}

/** Fine in the expected range of a commit's step, coarse beyond. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

export const createHubMetrics = (registry: Registry): HubMetrics => {
  const registers = [registry];
  const fetchSeconds = new Histogram({
    name: 'fso_hub_fetch_seconds',
    help: 'Time of a successful fetch.',
    buckets: BUCKETS,
    registers,
  });
  const compileSeconds = new Histogram({
    name: 'fso_hub_compile_seconds',
    help: 'Time to compile a commit for all clusters.',
    buckets: BUCKETS,
    registers,
  });
  const revisionInfo = new Gauge({ name: 'fso_hub_revision_info', help: 'The revision in force.', labelNames: ['revision'], registers });
  const connected = new Gauge({ name: 'fso_hub_agents_connected', help: 'Connected agents.', registers });
  const offers = new Counter({ name: 'fso_hub_offers_total', help: 'Offers sent.', registers });
  const nacks = new Counter({ name: 'fso_hub_nacks_total', help: 'Revisions that an agent refused.', registers });
  const reports = new Counter({ name: 'fso_hub_reports_total', help: 'Reports accepted.', registers });
  const sourceErrors = new Counter({ name: 'fso_hub_source_errors_total', help: 'Fetches that failed.', registers });
  return {
    delivery: {
      connected: (count) => connected.set(count),
      offered: () => offers.inc(),
      nacked: () => nacks.inc(),
      reported: () => reports.inc(),
    },
    source: { fetched: (seconds) => fetchSeconds.observe(seconds), failed: () => sourceErrors.inc() },
    compiled: (seconds) => compileSeconds.observe(seconds),
    revision: (revision) => {
      revisionInfo.reset();
      revisionInfo.set({ revision }, 1);
    },
  };
};
