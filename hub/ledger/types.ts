import type { ClusterEvent, ClusterReport, EventView, PolicyReport, SourceView } from '@fso/shared/api';
import type { CompiledPolicy, PolicySet } from '@fso/shared/compile';
import type { Reason, Report } from '@fso/shared/protocol';

/** What a commit means for the fleet: the decoded set and what each registered cluster gets. */
export interface Desired {
  readonly revision: string;
  readonly set: PolicySet;
  /** By cluster name. */
  readonly clusters: ReadonlyMap<string, readonly CompiledPolicy[]>;
}

export interface Acked {
  readonly revision: string;
  readonly digest: string | null;
}

/** All that the hub knows of one cluster. */
export interface ClusterRecord {
  readonly name: string;
  readonly connected: boolean;
  /** RFC 3339; null = never. */
  readonly lastSeen: string | null;
  readonly offeredRevision: string | null;
  /** Commit that the agent enforces; without a digest where it said so in a hello. */
  readonly acked: Acked | null;
  readonly nack: { readonly revision: string; readonly reasons: readonly Reason[]; readonly time: string } | null;
  readonly report: ClusterReport | null;
  /** By `namespace/name`. */
  readonly policies: ReadonlyMap<string, PolicyReport>;
  /** Sequence number of the last report taken in. */
  readonly reportedSeq: number;
}

/** Something in the ledger changed; carries no content, readers query. */
export type LedgerChange =
  | { readonly kind: 'source' }
  | { readonly kind: 'desired'; readonly revision: string }
  | { readonly kind: 'cluster'; readonly cluster: string }
  | { readonly kind: 'event'; readonly event: EventView };

/**
 * Step ⑧. Everything the hub remembers. Methods are asynchronous because PostgreSQL stands behind this interface
 * too; a resolved write is durable as far as the implementation promises.
 */
export interface Ledger {
  setSource(source: SourceView): Promise<void>;
  source(): Promise<SourceView | null>;
  setDesired(desired: Desired): Promise<void>;
  desired(): Promise<Desired | null>;
  setConnected(cluster: string, connected: boolean): Promise<void>;
  setOffered(cluster: string, revision: string): Promise<void>;
  setAck(cluster: string, ack: Acked): Promise<void>;
  setNack(cluster: string, nack: { revision: string; reasons: readonly Reason[] }): Promise<void>;
  /** Takes a report in; a full one replaces the cluster's policies. */
  applyReport(cluster: string, report: Report): Promise<void>;
  addEvent(cluster: string | null, event: ClusterEvent): Promise<void>;
  /** Clusters that are registered in the desired state or were ever seen, by name. */
  clusters(): Promise<readonly ClusterRecord[]>;
  cluster(name: string): Promise<ClusterRecord | null>;
  /** Newest first. */
  events(query: { cluster?: string; policy?: string; before?: number; limit: number }): Promise<readonly EventView[]>;
  /** @returns a function that ends the subscription. */
  subscribe(handler: (change: LedgerChange) => void): () => void;
}
