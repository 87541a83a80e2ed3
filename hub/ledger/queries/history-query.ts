import type { PolicyState } from '@fso/shared/api';
import type { Baseline } from '@fso/shared/status';

/** Change of a cluster at one time, as the hub knew it. Absent fields stayed as they were. */
export interface HistoryChange {
  /** RFC 3339, by the clock of the hub that learned of it. */
  readonly time: string;
  /** Marks that nothing earlier is known: the cluster was forgotten, or the history has a gap. */
  readonly nothing?: true;
  /** Whether the cluster is connected: its agent has reported the cluster's state on its stream. */
  readonly connected?: boolean;
  /**
   * false: from here on its agent did not know how the cluster was. A change of `connected` takes
   * it back, unless it says so again. null: not known from here on, as changes were put together.
   */
  readonly observed?: boolean | null;
  /** Commit that the cluster had accepted. */
  readonly accepted?: string | null;
  /** Commit of which every policy was proven. */
  readonly proven?: string | null;
  /**
   * Baseline by which policies read from here on that are not known by name; null: nothing is known
   * of those of the hub, and others are not there.
   */
  readonly baseline?: HistoryBaseline | null;
  /**
   * Policies by key that are known by name from here on, or in another state; those of the same
   * state together.
   */
  readonly policies?: readonly (PolicyState & { readonly keys: readonly string[] })[];
  /** Keys of policies that are not known by name any more: they read as the baseline has them. */
  readonly closed?: readonly string[];
  /** Keys of policies that the cluster no longer had. */
  readonly gone?: readonly string[];
  /**
   * Keys of all that are known by name from here on, beside those of `policies`. Absent: those of
   * before, without `closed` and `gone`.
   */
  readonly named?: readonly string[];
  /**
   * Keys of policies of which nothing is known until a later change names them, as changes were put
   * together.
   */
  readonly unknown?: readonly string[];
}

/**
 * A baseline as far as the state of a policy depends on it: whether one governs a namespace is its
 * bit.
 */
export type HistoryBaseline = Omit<Baseline, 'namespaces'>;

/** A value, and since when it stood. */
export interface DatedValue<T> {
  readonly value: T;
  readonly since: string;
}

/** State of a policy in a cluster at one time. A field is absent where that is not known. */
export interface PolicyStateAt {
  readonly connected?: DatedValue<boolean>;
  /** Whether the agent of a connected cluster knew how the cluster was. */
  readonly observed?: DatedValue<boolean>;
  readonly accepted?: DatedValue<string | null>;
  readonly proven?: DatedValue<string | null>;
  /** null: the cluster did not have the policy. */
  readonly policy?: DatedValue<PolicyState | null>;
}

/** About one policy in one cluster. */
interface ClusterPolicyQuery {
  readonly cluster: string;
  /** Key. */
  readonly policy: string;
  /** Ends the search when aborted. */
  readonly signal?: AbortSignal;
}

/** Question for the state of a policy in a cluster at one time. */
export interface StateQuery extends ClusterPolicyQuery {
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string;
}

/** Question for a page of the history of a policy in a cluster. */
export interface HistoryQuery extends ClusterPolicyQuery {
  /** Value of `next` in the previous page. */
  readonly before?: number;
  readonly limit: number;
}

/** A page of the history. */
export interface FoundHistory {
  /** Changes, newest first; of policies only the one that was asked for. */
  readonly changes: readonly HistoryChange[];
  /** Value of `before` for the next page; null: there are no more. */
  readonly next: number | null;
}
