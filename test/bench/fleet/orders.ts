import type { CompiledPolicy } from '@fso/shared/compile';
import type { ClientCertificate } from '../../../agent/stream/hub-socket.ts';
import type { ClusterRows } from './rows.ts';

/**
 * Messages between the benchmark and its processes of agents. Times are milliseconds since 1970,
 * with fractions.
 */

/**
 * Commit as its agents receive it, possibly after the hub's offer. Clusters are divided into teams
 * by their number modulo the number of teams.
 */
export interface Commit {
  readonly type: 'commit';
  readonly revision: string;
  readonly teams: readonly {
    /** Digest of the policies of its clusters. */
    readonly digest: string;
    /** New and changed policies; the others are unchanged. */
    readonly changed: readonly CompiledPolicy[];
  }[];
}

/**
 * Causes of deviations: each policy fails separately, or one cause in the cluster affects every
 * policy.
 */
export type Cause = 'failing' | 'gatekeeper' | 'index' | 'tampering';

/** Order that changes which policies of each cluster deviate from now on. */
export interface Turn {
  readonly type: 'turn';
  readonly cause: Cause;
  /** Share of the policies. */
  readonly share: number;
  /** first: the same policies in each cluster. drawn: different ones in each. */
  readonly pick: 'first' | 'drawn';
}

/**
 * Step of a commit in a cluster: the hub has offered it to the agent, or the agent reports that it
 * is proven. `at` is in milliseconds since 1970, by the clock of all processes.
 */
export interface CommitStep {
  readonly cluster: string;
  readonly revision: string;
  readonly type: 'offered' | 'proven';
  readonly at: number;
}

/** Credentials of an agent at the hub. */
export interface AgentProof {
  readonly cluster: string;
  readonly token?: string;
  readonly certificate?: ClientCertificate;
}

export type Order =
  | {
      readonly type: 'start';
      readonly hubUrl: string;
      /** PEM of the hub's CA. */
      readonly ca: string;
      readonly agents: readonly AgentProof[];
      /** Share of the policies whose namespace is missing, different ones in each cluster. */
      readonly missing: number;
      /** Number of workloads in each cluster; 0 if agents answer no plans. */
      readonly workloads: number;
      /** Approximate time in ms in which an agent proves a commit that it has accepted. */
      readonly proofMs: number;
    }
  | Commit
  | Turn
  /**
   * Order that makes the agents of these clusters stop reading their sockets, including those of
   * later connections.
   */
  | { readonly type: 'stall'; readonly clusters: readonly string[] }
  /**
   * Order to open a stream of each agent to a server that only accepts them, and to keep it until
   * all streams of the process are open.
   */
  | { readonly type: 'handshake'; readonly url: string }
  /**
   * Order to open a stream of each agent to a server, and to answer each of its messages with one
   * of this size.
   */
  | { readonly type: 'echo'; readonly url: string; readonly bytes: number }
  /** Order to send the rows of each cluster. */
  | { readonly type: 'rows' }
  /** Order to send the steps of each commit. */
  | { readonly type: 'steps' }
  | { readonly type: 'stop' };

/** Message from one agent. */
export type News =
  /** Message that the hub has all reports of an agent. */
  | {
      readonly type: 'settled';
      readonly cluster: string;
      readonly at: number;
      /** Time of the last welcome of the hub. */
      readonly greetedAt: number;
      /** Number of policies that were reported by name since then. */
      readonly policies: number;
      /** Size of its last offer. */
      readonly bytes: number;
      /** Number of connections that it started since it was last settled. */
      readonly dials: number;
    }
  /** Message that the hub has received the report that the commit is in force. */
  | {
      readonly type: 'reported';
      readonly cluster: string;
      readonly at: number;
      readonly revision: string;
      /** Size of the offer. */
      readonly bytes: number;
      /** Size of the report. */
      readonly reportBytes: number;
    }
  /** Message that a stalled agent has reconnected. */
  | { readonly type: 'stalled'; readonly cluster: string }
  /**
   * Message that a stream to the server of a `handshake` order is open; `failed` is the reason if
   * it is not.
   */
  | { readonly type: 'shaken'; readonly cluster: string; readonly at: number; readonly failed?: string }
  | { readonly type: 'rows'; readonly cluster: string; readonly rows: ClusterRows }
  | { readonly type: 'steps'; readonly cluster: string; readonly steps: readonly CommitStep[] };

export const now = (): number => performance.timeOrigin + performance.now();
