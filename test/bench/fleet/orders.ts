import type { CompiledPolicy } from '@fso/shared/compile';
import type { ClientCertificate } from '../../../agent/stream/hub-socket.ts';
import type { ClusterRows } from './rows.ts';

/**
 * Messages between the bench and its processes of agents. Times are milliseconds since 1970, with
 * fractions.
 */

/**
 * A commit as its agents take it; it may come after the hub's offer. Clusters with the same number
 * modulo that of the teams are in one team.
 */
export interface Commit {
  readonly type: 'commit';
  readonly revision: string;
  readonly teams: readonly {
    /** Digest of the policies of its clusters. */
    readonly digest: string;
    /** Policies that are new or read otherwise; the others are as before. */
    readonly changed: readonly CompiledPolicy[];
  }[];
}

/**
 * Causes of deviations: each policy fails by itself, or the whole cluster has one cause that
 * concerns every policy.
 */
export type Cause = 'failing' | 'gatekeeper' | 'index' | 'tampering';

/** Policies of each cluster that deviate from now on; the others conform. */
export interface Turn {
  readonly type: 'turn';
  readonly cause: Cause;
  /** Share of the policies. */
  readonly share: number;
  /** first: the same ones in each cluster. drawn: others in each. */
  readonly pick: 'first' | 'drawn';
}

/**
 * Step of a commit in a cluster: the hub has offered it to the agent, which takes each, or the
 * agent reports that it is proven. `at`: milliseconds since 1970 by the clock of all processes.
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
      /** Share of the policies whose namespace is missing, others in each cluster. */
      readonly missing: number;
      /** Workloads of each cluster; 0: agents answer no plans. */
      readonly workloads: number;
      /** About how long an agent takes to prove a commit that it has accepted, ms. */
      readonly proofMs: number;
    }
  | Commit
  | Turn
  /** Agents of these clusters stop reading their sockets, also those of later connections. */
  | { readonly type: 'stall'; readonly clusters: readonly string[] }
  /**
   * Order to open a stream of each agent to a server that only accepts them, and to keep it until
   * all of the process are open.
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
      /** Policies that were sent for it by name since then. */
      readonly policies: number;
      /** Size of its last offer. */
      readonly bytes: number;
      /** Connections that it began since it was settled before. */
      readonly dials: number;
    }
  /** Message that the hub has the report that the commit is in force. */
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
  /** Message that an agent is connected again, though it does not read. */
  | { readonly type: 'stalled'; readonly cluster: string }
  /**
   * Message that a stream to the server of an order to shake hands is open; `failed`: why it is
   * not.
   */
  | { readonly type: 'shaken'; readonly cluster: string; readonly at: number; readonly failed?: string }
  | { readonly type: 'rows'; readonly cluster: string; readonly rows: ClusterRows }
  | { readonly type: 'steps'; readonly cluster: string; readonly steps: readonly CommitStep[] };

export const now = (): number => performance.timeOrigin + performance.now();
