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

/** Problem of the ledger's database that an administrator can fix. The message says how. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
}

/** Answer of an agent to an offer. */
interface Answer {
  readonly revision: string;
  /** Time of the offer, if the ledger does not have it yet. RFC 3339. */
  readonly offeredAt?: string | undefined;
}

/** Revision that an agent has accepted. */
export interface AckedRevision extends Answer {
  readonly digest: string | null;
  /** Milliseconds from the acceptance until the ack arrived. Not stored. */
  readonly heldMs?: number | undefined;
}

/** Revision that an agent has refused, with its reasons. */
export type Nack = Answer & { readonly reasons: readonly Reason[] };

/** Report of an agent, with its answer to an offer if the frame has one. */
export type AnsweringReport = Report & { readonly answer?: AckedRevision | undefined };

/** Reason why the last report of a connected cluster may be out of date. */
export interface NotObserved {
  /** Time at which the hub learned of it, RFC 3339. */
  readonly since: string;
  /** Names of parts of the agent's reconcile, and of kinds; see shared/protocol/ages.ts. */
  readonly what: readonly string[];
}

/**
 * Time of the last sign of life, RFC 3339. Mutable, so that a heartbeat need not replace the
 * cluster's record.
 */
export interface LastSeen {
  at: string;
}

/**
 * Sizes of the smallest policies left out of a record, in bytes; Infinity: none. `hub`: of the
 * hub's policies; `local`: of those that were applied in the cluster.
 */
export interface LeftOut {
  readonly hub: number;
  readonly local: number;
}

/** State of one cluster as the hub knows it. */
export interface ClusterRecord {
  readonly name: string;
  readonly connected: boolean;
  /** null: the agent observes its cluster, does not report ages, or is not connected. */
  readonly notObserved: NotObserved | null;
  /** null: never seen. */
  readonly lastSeen: LastSeen | null;
  readonly offeredRevision: string | null;
  /** Time of the offer by the clock of the hub, RFC 3339; null: unknown. */
  readonly offeredAt: string | null;
  /** Commit that the agent enforces. Its digest is null if only the hello named the commit. */
  readonly acked: AckedRevision | null;
  readonly nack: (Nack & { readonly time: string }) | null;
  readonly report: AgentClusterReport | null;
  /**
   * Baseline from which the reports deviate; null: the agent has no policy list, or has not
   * reported.
   */
  readonly baseline: Baseline | null;
  /**
   * Reports by key. A ClusterPolicies if the list of the baseline is known, else only the policies
   * that are reported by name.
   */
  readonly policies: ReadonlyMap<string, PolicyReport>;
  /**
   * Number of policies that the cluster reports by name and the hub does not keep; null: all are
   * kept.
   */
  readonly notKept: number | null;
  /**
   * Smallest sizes that were left out. Not stored: after a restart it is undefined until the next
   * full report.
   */
  readonly leftOut?: LeftOut | undefined;
  /** Hub's time of the last change of `policies`, RFC 3339; null: none reported. */
  readonly policiesChanged: string | null;
  /** Sequence number of the last applied report. */
  readonly reportedSeq: number;
  /** Time since when the record differs from the agent's reports, RFC 3339; null: they agree. */
  readonly divergedSince: string | null;
}

/** Notice that something in the ledger changed. It has no content: readers query the ledger. */
export type LedgerChange =
  | { readonly kind: 'source' }
  | { readonly kind: 'desired'; readonly revision: string }
  | { readonly kind: 'cluster'; readonly cluster: string }
  | { readonly kind: 'event'; readonly event: EventView }
  /** The database lost commits and was read again. Reports of agents may be missing. */
  | { readonly kind: 'lost' };

/** Connection of an agent. Distinguishes its messages from those of other connections. */
export interface AgentStream {
  /** Unique id, never reused. */
  readonly id: string;
  /** Whether the connection is still open at this hub. */
  readonly isOpen: () => boolean;
}

/** Query for a page of events that match a filter. */
export interface EventQuery extends EventFilter {
  /** Exclusive upper bound of the id. */
  readonly before?: number;
  readonly limit: number;
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

/** Page of events. */
export interface FoundEvents {
  /** Newest first. */
  readonly events: readonly EventView[];
  /** Value of `before` for the next page; null: no more. A long search ends with a shorter page. */
  readonly next: number | null;
}

/** Health of the ledger's database. `since`: RFC 3339. */
export type LedgerHealth = { readonly ok: true } | { readonly ok: false; readonly since: string; readonly message: string };

/** Result of applying a report. */
export interface AppliedReport {
  /**
   * CPU time spent after the call had returned, in milliseconds. Reports are applied in batches
   * with other changes.
   */
  readonly cpuMs: number;
}

/** State of the fleet, read from memory. A scope restricts it to a part of the fleet. */
export interface FleetState {
  source(): Promise<SourceView | null>;
  desired(): Promise<Desired | null>;
  /** Returns all clusters that are registered in the desired state or were ever seen, by name. */
  clusters(): Promise<readonly ClusterRecord[]>;
  cluster(name: string): Promise<ClusterRecord | null>;
  /** Returns events, newest first. */
  events(query: EventQuery): Promise<readonly EventView[]>;
  searchEvents(query: EventQuery): Promise<FoundEvents>;
  /** Counts events, up to `limit`. Text and time filters count only events in memory. */
  countEvents(query: EventFilter & { readonly limit: number }): Promise<number>;
  /**
   * Returns the state of a policy in a cluster at a time, as far as it was known. Also works for
   * clusters that were forgotten.
   */
  policyStateAt(query: StateQuery): Promise<PolicyStateAt>;
  /** Returns changes of a cluster and of a policy in it. May exceed the limit by a few. */
  clusterHistory(query: HistoryQuery): Promise<FoundHistory>;
  /** Values of other parts of the hub, such as the rollouts of commits. */
  readonly records: KeyedReader;
  /** Registers a handler for changes. @returns a function that ends the subscription */
  subscribe(handler: (change: LedgerChange) => void): () => void;
}

/**
 * Writes of the hub. Each resolves when it is durable, and waits while the database is unavailable.
 * Writes of one cluster take effect in the order of the calls. The stream opened last, at any hub,
 * is the current one of its cluster: a write by another stream changes nothing and rejects with
 * {@link StreamReplacedError}. A write without a stream is always applied.
 */
export interface Journal {
  setSource(source: SourceView): Promise<void>;
  /** Sets the desired state. Only its revision is stored; the content is in Git. */
  setDesired(desired: Desired): Promise<void>;
  /**
   * Records that the cluster is connected, and makes this stream the current one.
   *
   * @param state outOfDate: parts that are not observed, default none. isNew: the agent has
   * accepted no commit
   */
  openStream(
    cluster: string,
    stream: AgentStream,
    state?: { readonly outOfDate?: readonly string[]; readonly isNew?: boolean },
  ): Promise<void>;
  setConnected(cluster: string, connected: boolean, stream?: AgentStream): Promise<void>;
  /** Records that the agent confirmed the ledger's state of its cluster. */
  confirmStream(cluster: string, stream: AgentStream): Promise<void>;
  /** Records that the ledger differs from the agent's reports, until the next report. */
  setDiverged(cluster: string, stream: AgentStream): Promise<void>;
  /**
   * Records a sign of life. Kept in memory and written every few minutes. Written at once if the
   * cluster did not count as connected.
   */
  noteSeen(cluster: string, stream: AgentStream): Promise<void>;
  /** Records the parts that a connected agent does not observe. Written only if they changed. */
  noteObserved(cluster: string, outOfDate: readonly string[], stream: AgentStream): Promise<void>;
  /** Makes this hub show these clusters as not observed. Kept in memory only. */
  suspendObservation(clusters: readonly string[]): void;
  /** Ends {@link suspendObservation}. */
  resumeObservation(clusters: readonly string[]): void;
  /** Records the offer of a revision. @param at time of the offer, RFC 3339; default: now */
  setOffered(cluster: string, revision: string, stream?: AgentStream, at?: string): Promise<void>;
  setAck(cluster: string, answer: AckedRevision, stream?: AgentStream): Promise<void>;
  /**
   * @param nack `told: false` keeps it out of the audit log; default true. A refusal that repeats
   * the last one is never logged
   */
  setNack(cluster: string, nack: Nack & { readonly told?: boolean }, stream?: AgentStream): Promise<void>;
  /**
   * Applies a report. A full report replaces the cluster's policies. Policies beyond the cluster's
   * quota are left out and counted in `notKept`.
   *
   * @throws ReportGapError if a delta does not follow the last report
   */
  applyReport(cluster: string, report: AnsweringReport, stream?: AgentStream): Promise<AppliedReport>;
  /** Whether there may be room again for policies that were left out of a cluster's record. */
  hasRoom(cluster: string): Promise<boolean>;
  addEvent(cluster: string | null, event: ClusterEvent): Promise<void>;
  /**
   * Whether a policy list is known. A list that is not in memory is looked up in the database, for
   * each cluster at most once a second after a lookup that found nothing.
   */
  knowsList(digest: string, cluster: string): Promise<boolean>;
  /**
   * Adds the policy list of an agent, of which only names and digests are known. Policies that are
   * in no known list are left out.
   *
   * @returns false if the digest does not match the list
   */
  addList(digest: string, policies: readonly (readonly [name: string, digest: string])[]): Promise<boolean>;
  /**
   * Removes everything that is known of a cluster except its history. A connected cluster is kept.
   */
  forgetCluster(cluster: string): Promise<void>;
  readonly audit: AuditLog;
  readonly records: KeyedStore;
  health(): LedgerHealth;
  /** Number of changes that wait to be written. */
  waitingWrites(): number;
}

/** Relation of this hub to the other hubs on the same database, one of which leads. */
export interface Lease {
  /**
   * Milliseconds since this hub last had all changes of the other hubs; 0: there is only one hub.
   */
  behindMs(): number;
  /** Whether this hub leads: it records the repository, prunes history and signs checkpoints. */
  leads(): boolean;
  /** Registers a handler for the start of each term of this hub; called at once if it leads. */
  onLead(handler: () => void): void;
  /** Notifies the other hubs that the repository may have changed. */
  shareHint(): void;
  /** Registers a handler for the hints of other hubs. */
  onSharedHint(handler: () => void): void;
  /**
   * Asks the other hubs, for 3 s by default.
   *
   * @returns the first answer; undefined: no answer in time
   */
  ask(question: string, withinMs?: number): Promise<string | undefined>;
  /** @param answer resolves to undefined if this hub does not know the answer */
  onAsked(answer: (question: string) => Promise<string | undefined>): void;
}

/**
 * Ledger of the hub, step ⑧. Other parts depend on one of its three interfaces; only the part that
 * opens the ledger has all of it.
 */
export interface Ledger extends FleetState, Journal, Lease {
  readonly records: KeyedStore;
  /**
   * Writes pending changes if the database answers within a few seconds, then releases everything.
   */
  close(): Promise<void>;
}
