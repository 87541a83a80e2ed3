import type { AlertCounts, PolicyChange, StreamEvent } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type ClusterRecord, type FleetState, keysBetween } from '../../ledger/index.ts';
import { readRolloutSlot, summaryOf } from '../../rollout/index.ts';
import { type ClusterEntry, viewOf } from '../fleet/cluster-entry.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { isKnown } from '../fleet/phases.ts';
import type { PendingChanges } from './pending-changes.ts';

/**
 * Names at most this many policies of a change; beyond it a reader does better to read the list.
 */
const MAX_NAMED = 500;
/**
 * Greatest number of clusters in a change; beyond it a reader gets a request to read again instead
 * of each cluster.
 */
const MAX_CLUSTERS = 200;

/**
 * Policies that changed since the last call, by identity of their reports: a ledger that returns
 * new but equal reports only makes readers read again. A cluster that becomes known or unknown
 * changes each of its policies, and so does one whose reports were not kept.
 */
export class PolicyDiff {
  readonly #last = new Map<string, Pick<ClusterRecord, 'policies'> & { readonly wasKnown: boolean }>();

  update(clusters: readonly ClusterRecord[]): PolicyChange[] {
    return clusters.flatMap((cluster) => this.#updateOne(cluster));
  }

  /** Takes over what a reader is about to read by itself. */
  note(record: ClusterRecord): void {
    this.#last.set(record.name, { policies: record.policies, wasKnown: isKnown(record) });
  }

  /** Drops the reports of a cluster, for changes that no reader gets. */
  forget(cluster: string): void {
    this.#last.delete(cluster);
  }

  #updateOne(record: ClusterRecord): PolicyChange[] {
    const { name, policies } = record;
    const before = this.#last.get(name);
    this.note(record);
    if (before === undefined || before.wasKnown !== isKnown(record)) return [{ cluster: name, policies: null }];
    const keys = keysBetween(before.policies, policies).toSorted(byText);
    if (keys.length === 0) return [];
    return [{ cluster: name, policies: keys.length > MAX_NAMED ? null : keys }];
  }
}

/** Event after which a client reads everything again. */
export const RESET: StreamEvent = { event: 'reset', data: {} };

/** Sources from which changes are described as events. */
export interface ChangeReader {
  readonly fleet: FleetReader;
  readonly records: FleetState['records'];
  readonly alerts: {
    readonly compareWithSilences: () => Promise<void>;
    readonly counts: () => AlertCounts | Promise<AlertCounts>;
  };
}

const describeCommits = (records: FleetState['records'], slots: Iterable<string>): StreamEvent[] =>
  [...slots].flatMap((slot) => {
    const rollout = readRolloutSlot(records, slot);
    return rollout === null ? [] : [{ event: 'commit', data: summaryOf(rollout) }];
  });

const describeClusters = (touched: readonly ClusterEntry[], diff: PolicyDiff, { desired }: PendingChanges): StreamEvent[] => [
  ...touched.map((entry): StreamEvent => ({ event: 'cluster', data: viewOf(entry) })),
  ...(desired ? [{ event: 'policy', data: { cluster: null, policies: null } } as const] : []),
  ...diff.update(touched.map(({ record }) => record)).map((data): StreamEvent => ({ event: 'policy', data })),
];

/** Reads what changed, once for all readers. */
export const describeChanges = async (
  { fleet: reader, records, alerts }: ChangeReader,
  diff: PolicyDiff,
  pending: PendingChanges,
): Promise<StreamEvent[]> => {
  if (pending.alerts) await alerts.compareWithSilences();
  const fleet = await reader.read();
  // A new revision changes what every cluster should have.
  const touched = fleet.clusters().filter(({ record }) => pending.desired || pending.clusters.has(record.name));
  const readStatus = async (): Promise<StreamEvent> => ({ event: 'status', data: await reader.readStatus() });
  if (pending.isCut || touched.length > MAX_CLUSTERS) {
    for (const { record } of touched) diff.forget(record.name);
    return [RESET, await readStatus()];
  }
  // A forgotten cluster is in no list any more: readers read all of them again.
  const isAnyForgotten = [...pending.clusters].some((name) => fleet.cluster(name) === undefined);
  return [
    ...(isAnyForgotten ? [RESET] : []),
    ...describeCommits(records, pending.commits),
    ...(pending.alerts ? [{ event: 'alerts', data: await alerts.counts() } as const] : []),
    ...(pending.source ? [{ event: 'source', data: await reader.readSource() } as const] : []),
    ...describeClusters(touched, diff, pending),
    ...(pending.source || touched.length > 0 ? [await readStatus()] : []),
    ...pending.events,
  ];
};
