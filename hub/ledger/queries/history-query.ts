import type { PolicyState } from '@fso/shared/api';
import type { Baseline } from '@fso/shared/status';

/** Change of a cluster at one time, as the hub knew it. Undefined fields did not change. */
export interface HistoryChange {
  /** Time at which the hub learned of the change, RFC 3339. */
  readonly time: string;
  /** Whether nothing earlier is known: the cluster was forgotten, or the history has a gap. */
  readonly nothing?: true;
  /** Whether the cluster is connected: its agent has reported its state on the current stream. */
  readonly connected?: boolean;
  /**
   * false: from here on the agent did not observe its cluster. A change of `connected` resets it,
   * unless that change sets it too. null: unknown from here on, because changes were merged.
   */
  readonly observed?: boolean | null;
  /** Commit that the cluster had accepted. */
  readonly accepted?: string | null;
  /** Commit whose policies were all proven. */
  readonly proven?: string | null;
  /**
   * Baseline that from here on defines the state of policies that are not reported by name. null:
   * the state of the hub's policies is unknown, and there are no others.
   */
  readonly baseline?: HistoryBaseline | null;
  /**
   * Policies, by key, that are reported by name from here on or changed their state. Grouped by
   * state.
   */
  readonly policies?: readonly (PolicyState & { readonly keys: readonly string[] })[];
  /** Keys of policies that are no longer reported by name: the baseline defines their state. */
  readonly closed?: readonly string[];
  /** Keys of policies that the cluster no longer had. */
  readonly gone?: readonly string[];
  /**
   * Keys of all other policies that are reported by name from here on, besides `policies`.
   * Undefined: the previous ones, without `closed` and `gone`.
   */
  readonly named?: readonly string[];
  /**
   * Keys of policies whose state is unknown until a later change names them, because changes were
   * merged.
   */
  readonly unknown?: readonly string[];
}

/**
 * Baseline without what the state of policies does not depend on: a bit says whether a policy
 * governs a namespace.
 */
export type HistoryBaseline = Omit<Baseline, 'namespaces'>;

/** Value, and the time since which it held. */
export interface DatedValue<T> {
  readonly value: T;
  readonly since: string;
}

/** State of a policy in a cluster at one time. Unknown fields are undefined. */
export interface PolicyStateAt {
  readonly connected?: DatedValue<boolean>;
  /** Whether the agent of a connected cluster observed it. */
  readonly observed?: DatedValue<boolean>;
  readonly accepted?: DatedValue<string | null>;
  readonly proven?: DatedValue<string | null>;
  /** null: the cluster did not have the policy. */
  readonly policy?: DatedValue<PolicyState | null>;
}

/** Query about one policy in one cluster. */
interface ClusterPolicyQuery {
  readonly cluster: string;
  /** Key of the policy. */
  readonly policy: string;
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

/** Query for the state of a policy in a cluster at one time. */
export interface StateQuery extends ClusterPolicyQuery {
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string;
}

/** Query for a page of the history of a policy in a cluster. */
export interface HistoryQuery extends ClusterPolicyQuery {
  /** Value of `next` in the previous page. */
  readonly before?: number;
  readonly limit: number;
}

/** Page of the history. */
export interface FoundHistory {
  /** Changes, newest first. Of all policies, they contain only the requested one. */
  readonly changes: readonly HistoryChange[];
  /** Value of `before` for the next page; null: no more changes. */
  readonly next: number | null;
}
