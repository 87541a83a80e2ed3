import type { CompiledPolicy } from '@fso/shared/compile';
import type { ClientCertificate } from '../../../agent/stream/connection.ts';
import type { ClusterRows } from './rows.ts';

/** What the bench and its processes of agents say to each other. Times are milliseconds since 1970, with fractions. */

/** A commit as its agents take it; it may come after the hub's offer. Clusters with the same number modulo that of the teams are in one team. */
export interface Commit {
  readonly type: 'commit';
  readonly revision: string;
  readonly teams: readonly {
    /** Of what its clusters get. */
    readonly digest: string;
    /** Policies that are new or read otherwise; the others are as before. */
    readonly changed: readonly CompiledPolicy[];
  }[];
}

/** Why policies deviate: each fails by itself, or the whole cluster has one cause, which concerns every policy. */
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

/** What proves an agent to the hub. */
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
    }
  | Commit
  | Turn
  /** Agents of these clusters stop reading their sockets, also those of later connections. */
  | { readonly type: 'stall'; readonly clusters: readonly string[] }
  /** Each agent opens a stream to a server that only accepts them, and keeps it until all of its process have. */
  | { readonly type: 'handshake'; readonly url: string }
  /** Each agent says what its cluster has. */
  | { readonly type: 'rows' }
  | { readonly type: 'stop' };

/** What one agent says. */
export type News =
  /** The hub has all of its reports. */
  | {
      readonly type: 'settled';
      readonly cluster: string;
      readonly at: number;
      /** When the hub greeted it last. */
      readonly greetedAt: number;
      /** Policies that were sent for it by name since then. */
      readonly policies: number;
      /** Of its last offer. */
      readonly bytes: number;
      /** Connections that it began since it was settled before. */
      readonly dials: number;
    }
  /** The hub has the report that the commit is in force. `bytes`: of its offer. */
  | { readonly type: 'reported'; readonly cluster: string; readonly at: number; readonly revision: string; readonly bytes: number }
  /** It is connected again, though it does not read. */
  | { readonly type: 'stalled'; readonly cluster: string }
  /** Its stream to the server of an order to shake hands is open; `failed`: why it is not. */
  | { readonly type: 'shaken'; readonly cluster: string; readonly at: number; readonly failed?: string }
  | { readonly type: 'rows'; readonly cluster: string; readonly rows: ClusterRows };

export const now = (): number => performance.timeOrigin + performance.now();
