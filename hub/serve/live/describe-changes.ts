import type { AlertCounts, PolicyChange, StreamEvent } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type ClusterRecord, type FleetState, keysBetween } from '../../ledger/index.ts';
import { readRolloutSlot, summaryOf } from '../../rollout/index.ts';
import { type ClusterEntry, viewOf } from '../fleet/cluster-entry.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { isKnown } from '../fleet/phases.ts';
import type { PendingChanges } from './pending-changes.ts';

/** Maximum number of policies named in a change. Beyond it a reader should read the list. */
const MAX_NAMED = 500;
/** Maximum number of clusters in a change. Beyond it readers are asked to read everything again. */
const MAX_CLUSTERS = 200;

/**
 * Policies that changed since the last call, by identity of their reports. New but equal reports
 * only make readers read again. If the state of a cluster becomes known or unknown, all its
 * policies count as changed, as do those of a cluster without stored state.
 */
export class PolicyDiff {
  readonly #last = new Map<string, Pick<ClusterRecord, 'policies'> & { readonly wasKnown: boolean }>();

  update(clusters: readonly ClusterRecord[]): PolicyChange[] {
    return clusters.flatMap((cluster) => this.#updateOne(cluster));
  }

  /** Stores the state of a cluster that a reader is about to read itself. */
  note(record: ClusterRecord): void {
    this.#last.set(record.name, { policies: record.policies, wasKnown: isKnown(record) });
  }

  /** Drops the state of a cluster whose changes no reader gets. */
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
  // A forgotten cluster is in no list, so readers read all lists again.
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
