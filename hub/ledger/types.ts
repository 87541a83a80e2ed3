import type { AgentClusterReport, ClusterEvent, EventView, PolicyReport, SourceView } from '@fso/shared/api';
import type { Reason, Report } from '@fso/shared/protocol';
import type { Baseline } from '@fso/shared/status';
import type { AuditLog } from './audit-log.ts';
import type { Desired } from './desired.ts';
import type { EventFilter } from './event-filter.ts';
import type { KeyedReader, KeyedStore } from './keyed-store.ts';
import type { FoundHistory, HistoryQuery, PolicyStateAt, StateQuery } from './queries/history-query.ts';

export type { Desired, HeldCluster } from './desired.ts';
export type {
  DatedValue,
  FoundHistory,
  HistoryBaseline,
  HistoryChange,
  HistoryQuery,
  PolicyStateAt,
  StateQuery,
} from './queries/history-query.ts';

/** A problem of the ledger's database that people can put right; the message says how. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
}

/** An answer to an offer. */
interface Answer {
  readonly revision: string;
  /** Time of the offer, where the ledger does not have it yet. RFC 3339. */
  readonly offeredAt?: string | undefined;
}

/** Answer of an agent that has accepted a revision. */
export interface AckedRevision extends Answer {
  readonly digest: string | null;
  /** Milliseconds since the agent accepted it, when its ack came; not stored. */
  readonly heldMs?: number | undefined;
}

/** Answer of an agent that has refused a revision. */
export type Nack = Answer & { readonly reasons: readonly Reason[] };

/** A report of an agent, with the answer to an offer that came with it. */
export type AnsweringReport = Report & { readonly answer?: AckedRevision | undefined };

/** Reason why the last report of a connected cluster may be out of date. */
export interface NotObserved {
  /** RFC 3339, by the clock of the hub that learned of it. */
  readonly since: string;
  /** Names of parts of the agent's reconcile, and of kinds; see shared/protocol/ages.ts. */
  readonly what: readonly string[];
}

/** Time of the last sign of life, RFC 3339; updated in place, so that records are replaced less. */
export interface LastSeen {
  at: string;
}

/**
 * Bytes of the smallest policies that were left out of a record: of the hub, and of those that were
 * applied in the cluster. Infinity: none was.
 */
export interface LeftOut {
  readonly hub: number;
  readonly local: number;
}

/** State of one cluster as the hub knows it. */
export interface ClusterRecord {
  readonly name: string;
  readonly connected: boolean;
  /** null: the agent observes its cluster, or says no ages, or is not connected. */
  readonly notObserved: NotObserved | null;
  /** null: never. */
  readonly lastSeen: LastSeen | null;
  readonly offeredRevision: string | null;
  /** Time of the hub at which it was offered, RFC 3339; null: not known. */
  readonly offeredAt: string | null;
  /** Commit that the agent enforces; without a digest where it said so in a hello. */
  readonly acked: AckedRevision | null;
  readonly nack: (Nack & { readonly time: string }) | null;
  readonly report: AgentClusterReport | null;
  /** Baseline that its reports deviate from; null: its agent has no list, or has not reported. */
  readonly baseline: Baseline | null;
  /**
   * Reports by key: a ClusterPolicies, or those that were made by name where the list of the
   * baseline is not known.
   */
  readonly policies: ReadonlyMap<string, PolicyReport>;
  /**
   * Number of policies that the cluster reports by name and the hub does not keep; null: it keeps
   * all.
   */
  readonly notKept: number | null;
  /**
   * Smallest sizes of those. Not stored, and absent where they are not known: after a start a hub
   * learns them from the next full report.
   */
  readonly leftOut?: LeftOut | undefined;
  /** Time of the hub at which one of them last changed, RFC 3339; null: none was reported. */
  readonly policiesChanged: string | null;
  /** Sequence number of the last report taken in. */
  readonly reportedSeq: number;
  /** Time since when they are not those that the agent has reported. RFC 3339; null: they are. */
  readonly divergedSince: string | null;
}

/** Something in the ledger changed; carries no content, readers query. */
export type LedgerChange =
  | { readonly kind: 'source' }
  | { readonly kind: 'desired'; readonly revision: string }
  | { readonly kind: 'cluster'; readonly cluster: string }
  | { readonly kind: 'event'; readonly event: EventView }
  /** The database had lost commits, and was read again: what agents reported may be missing. */
  | { readonly kind: 'lost' };

/** Connection of an agent; separates the messages on it from those on other connections. */
export interface AgentStream {
  /** Unique identifier, never used before. */
  readonly id: string;
  /** Whether it is still open at this hub. */
  readonly isOpen: () => boolean;
}

/** A page of the events that pass a filter. */
export interface EventQuery extends EventFilter {
  /** Events with a lower id only. */
  readonly before?: number;
  readonly limit: number;
  /** Ends the search when aborted. */
  readonly signal?: AbortSignal;
}

/** A page of events. */
export interface FoundEvents {
  /** Newest first. */
  readonly events: readonly EventView[];
  /** Value of `before` for the next page; null: no more. A long search ends with a shorter page. */
  readonly next: number | null;
}

/** State of the ledger's database. `since`: RFC 3339. */
export type LedgerHealth = { readonly ok: true } | { readonly ok: false; readonly since: string; readonly message: string };

/** Result of taking in a report. */
export interface AppliedReport {
  /**
   * CPU time that it took once the call had returned, in milliseconds: reports are taken in
   * together with what else waits.
   */
  readonly cpuMs: number;
}

/**
 * State of the fleet as the hub knows it, read from memory. A part of it can be shown to callers
 * who see a part of the fleet.
 */
export interface FleetState {
  source(): Promise<SourceView | null>;
  desired(): Promise<Desired | null>;
  /** Clusters that are registered in the desired state or were ever seen, by name. */
  clusters(): Promise<readonly ClusterRecord[]>;
  cluster(name: string): Promise<ClusterRecord | null>;
  /** Newest first. */
  events(query: EventQuery): Promise<readonly EventView[]>;
  searchEvents(query: EventQuery): Promise<FoundEvents>;
  /** Counts events, up to `limit`. A filter by text or time counts those in memory. */
  countEvents(query: EventFilter & { readonly limit: number }): Promise<number>;
  /**
   * State of a policy in a cluster at a time, as far as it was known; also of a cluster that is
   * gone.
   */
  policyStateAt(query: StateQuery): Promise<PolicyStateAt>;
  /** Changes of a cluster and of a policy in it; may be a few more than the limit. */
  clusterHistory(query: HistoryQuery): Promise<FoundHistory>;
  /** Values that other parts of the hub keep, such as the rollouts of commits. */
  readonly records: KeyedReader;
  /** @returns a function that ends the subscription. */
  subscribe(handler: (change: LedgerChange) => void): () => void;
}

/**
 * Writes of the hub. One resolves when it is as durable as the implementation promises; it waits
 * while a database is away. Writes of one cluster take effect in the order of the calls. The stream
 * that was opened last, at whichever hub, speaks for its cluster: a write that names another one
 * changes nothing and rejects with {@link StreamReplacedError}. A write without a stream is always
 * taken.
 */
export interface Journal {
  setSource(source: SourceView): Promise<void>;
  /** Sets the desired state. The ledger stores only its revision; Git has the rest. */
  setDesired(desired: Desired): Promise<void>;
  /**
   * Notes that the cluster is connected. This stream speaks for it from now on.
   *
   * @param said outOfDate: parts not observed, default none. isNew: the agent has accepted no
   * commit
   */
  openStream(
    cluster: string,
    stream: AgentStream,
    said?: { readonly outOfDate?: readonly string[]; readonly isNew?: boolean },
  ): Promise<void>;
  setConnected(cluster: string, connected: boolean, stream?: AgentStream): Promise<void>;
  /** Notes the agent's confirmation on its stream that the cluster is as the ledger has it. */
  confirmStream(cluster: string, stream: AgentStream): Promise<void>;
  /** Notes that the ledger differs from the reports of the agent, until the next report. */
  setDiverged(cluster: string, stream: AgentStream): Promise<void>;
  /**
   * A sign of life on a stream. Kept in memory; written every few minutes, and at once where the
   * cluster does not count as connected by it.
   */
  noteSeen(cluster: string, stream: AgentStream): Promise<void>;
  /** Notes the parts that a connected agent does not observe; written only where they differ. */
  noteObserved(cluster: string, outOfDate: readonly string[], stream: AgentStream): Promise<void>;
  /** Makes this hub read these clusters as not observed. Kept in memory of this hub only. */
  suspendObservation(clusters: readonly string[]): void;
  /** Ends {@link suspendObservation}. */
  resumeObservation(clusters: readonly string[]): void;
  /** @param at RFC 3339; default: now */
  setOffered(cluster: string, revision: string, stream?: AgentStream, at?: string): Promise<void>;
  setAck(cluster: string, answer: AckedRevision, stream?: AgentStream): Promise<void>;
  /**
   * @param nack told false: kept as the cluster's state, without an entry of the audit log. Default
   * true; nothing new is never told
   */
  setNack(cluster: string, nack: Nack & { readonly told?: boolean }, stream?: AgentStream): Promise<void>;
  /**
   * Takes a report in; a full one replaces the cluster's policies. What is beyond the cluster's
   * quota is left out, and `notKept` says so.
   *
   * @throws ReportGapError where a delta does not follow on the last report
   */
  applyReport(cluster: string, report: AnsweringReport, stream?: AgentStream): Promise<AppliedReport>;
  /** Whether policies that were left out of a cluster's record may fit in by now. */
  hasRoom(cluster: string): Promise<boolean>;
  addEvent(cluster: string | null, event: ClusterEvent): Promise<void>;
  /**
   * Whether a list is known. One that is not in memory is looked up, for each cluster a second
   * after it named the last that was not found.
   */
  knowsList(digest: string, cluster: string): Promise<boolean>;
  /**
   * Takes the list of an agent of which only names and digests are known: those that no known list
   * has are left out.
   *
   * @returns false: the digest is not theirs
   */
  addList(digest: string, policies: readonly (readonly [name: string, digest: string])[]): Promise<boolean>;
  /**
   * Removes all that is known of a cluster but its history; one that is connected stays as it is.
   */
  forgetCluster(cluster: string): Promise<void>;
  readonly audit: AuditLog;
  readonly records: KeyedStore;
  health(): LedgerHealth;
  /** Number of changes that wait to be written. */
  waitingWrites(): number;
}

/** This hub among those on the same database, one of which leads. */
export interface Lease {
  /**
   * Milliseconds since this hub last knew all that others on the same database had written; 0: it
   * is alone.
   */
  behindMs(): number;
  /** Whether this hub leads: records the repository, clears the history, signs checkpoints. */
  leads(): boolean;
  /** Registers a handler for each term of this hub; called at once if it already leads. */
  onLead(handler: () => void): void;
  /** Notifies the other hubs on the same database that the repository may have changed. */
  shareHint(): void;
  /** Registers a handler for the hints that other hubs share. */
  onSharedHint(handler: () => void): void;
  /** Asks the other hubs, for 3 s by default. @returns the first answer; undefined: none in time */
  ask(question: string, withinMs?: number): Promise<string | undefined>;
  /** @param answer undefined: this hub does not know it */
  onAsked(answer: (question: string) => Promise<string | undefined>): void;
}

/**
 * Ledger of the hub, step ⑧: everything that the hub remembers. Other parts take the one of the
 * three that they need; only who opens it has it whole.
 */
export interface Ledger extends FleetState, Journal, Lease {
  readonly records: KeyedStore;
  /**
   * Writes what waits, as far as the database answers within a few seconds, and lets go of
   * everything.
   */
  close(): Promise<void>;
}
