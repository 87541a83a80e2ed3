import { type ClusterEvent, type PolicyReport, policyKey } from '@fso/shared/api';
import type { Checkpoint, Report } from '@fso/shared/protocol';
import { judgeCheckpoint } from '../../agent/stream/witness.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';

/** The network side of an agent under load: reports one after another, and remembers what the hub has acknowledged. */
export interface SimulatedAgent {
  readonly cluster: string;
  /** Connects and reports until paused; goes on from what it knows, as an agent does. */
  run(): void;
  /** Leaves the hub; resolves when nothing is under way any more. */
  pause(): Promise<void>;
  /** Ends without a close; the next one that runs knows what the cluster keeps, and reports in full. */
  die(): Promise<void>;
  /** By policy: least counter that the hub must know. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Messages of events that the hub must know. */
  readonly events: ReadonlySet<string>;
  /** Counts. */
  readonly reports: number;
  /** Why the audit log of the hub is not the one it witnessed. */
  readonly forks: readonly string[];
}

export interface SimulatedAgentOptions {
  readonly agentUrl: string;
  readonly cluster: string;
  readonly token: string;
  /** PEM of the CA of the hub. */
  readonly ca: string;
  readonly policies: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

const TIME = '2026-01-01T00:00:00Z';
const RETRY_MS = 50;
const PHASES = ['Active', 'Active', 'Active', 'Failed', 'Pending'] as const;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const counterOf = ({ message }: Pick<PolicyReport, 'message'>): number => Number(/counter (\d+)/.exec(message)?.[1] ?? -1);

export const createSimulatedAgent = (options: SimulatedAgentOptions): SimulatedAgent => {
  const { agentUrl, cluster, token, ca, policies: count, random } = options;
  const policies = new Map<string, PolicyReport>();
  const acknowledged = new Map<string, number>();
  const acknowledgedEvents = new Set<string>();
  const forks: string[] = [];
  let unacknowledged: readonly ClusterEvent[] = [];
  let held: Checkpoint | undefined;
  let counter = 0;
  let seq = 0;
  let reports = 0;
  let wanted = false;
  let stream: StreamClient | undefined;
  let running: Promise<void> = Promise.resolve();

  const change = (): PolicyReport => {
    counter += 1;
    const phase = PHASES[Math.floor(random() * PHASES.length)] ?? 'Active';
    const violations = random() < 0.2 ? 1 : 0;
    const policy = policyReport(`policy-${Math.floor(random() * count)}`, { phase, violations, message: `counter ${counter}` });
    policies.set(policyKey(policy), policy);
    return policy;
  };
  const nextReport = (full: boolean): Report => {
    const changed = [change(), change()];
    const event: ClusterEvent = { time: TIME, severity: 'info', reason: 'Simulated', message: `${cluster} event ${counter}` };
    unacknowledged = [...unacknowledged, event];
    seq += 1;
    return { type: 'report', seq, full, policies: full ? [...policies.values()] : changed, removed: [], events: [...unacknowledged] };
  };
  const noteAcknowledged = (report: Report): void => {
    reports += 1;
    for (const policy of report.policies) acknowledged.set(policyKey(policy), counterOf(policy));
    for (const { message } of report.events) acknowledgedEvents.add(message);
    unacknowledged = [];
  };
  const judgeCheckpoints = (client: StreamClient, from: number): number => {
    for (const frame of client.frames.slice(from)) {
      if (frame.type !== 'checkpoint') continue;
      const judged = judgeCheckpoint(held, frame);
      if (judged.ok) held = judged.checkpoint;
      else forks.push(judged.fork);
    }
    return client.frames.length;
  };
  const reportAll = async (client: StreamClient): Promise<void> => {
    let judged = 0;
    for (let full = true; wanted; full = false) {
      const report = nextReport(full);
      client.send(report);
      const answer = await Promise.race([client.next('reported'), client.closed]);
      judged = judgeCheckpoints(client, judged);
      if ('code' in answer) return;
      if (answer.seq === report.seq) noteAcknowledged(report);
    }
  };
  const live = async (): Promise<void> => {
    while (wanted) {
      try {
        stream = await connectStream(agentUrl, token, cluster, { ca });
        stream.hello({ checkpoint: held ?? null });
        await stream.greeted;
        await reportAll(stream);
      } catch {
        // No hub: that is the point of it.
      }
      stream?.close();
      await delay(RETRY_MS);
    }
  };

  return {
    cluster,
    acknowledged,
    events: acknowledgedEvents,
    forks,
    get reports() {
      return reports;
    },
    run: () => {
      wanted = true;
      running = live();
    },
    pause: async () => {
      wanted = false;
      stream?.close();
      await running;
    },
    die: async () => {
      wanted = false;
      stream?.terminate();
      await running;
      // Policies and the checkpoint are the cluster's; these were of the process.
      unacknowledged = [];
      seq = 0;
    },
  };
};
