import type { Clock, Logger, Shutdown } from '@fso/shared/runtime';
import type { Registry } from 'prom-client';
import type { Access, OnAudit } from '../access/index.ts';
import type { Identity } from '../identity/index.ts';
import type { Ledger } from '../ledger/types.ts';
import type { PolicyDocuments } from '../source/index.ts';
import type { CountFailure } from './auth/auth-failures.ts';
import type { FleetIndex } from './fleet/fleet-index.ts';

/** Milliseconds for which a hub that is cut off from the others still takes a word of theirs for good. */
export const DEFAULT_MAX_BEHIND_MS = 300_000;

export interface ApiConfig {
  /** Secret of Git webhooks; absent: they are taken from this machine only. */
  readonly webhookSecret?: string | undefined;
  readonly version: string;
  /** What a push must be to for a webhook to cause a fetch; absent: any. */
  readonly git?: { readonly url: string; readonly ref: string };
  /** Addresses or networks of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /** How old what is known of revocations may be for calls that change something. Default {@link DEFAULT_MAX_BEHIND_MS}. */
  readonly maxBehindMs?: number;
  /** Folder of the built dashboard; absent: there is none. */
  readonly dashboard?: string;
}

export interface StreamOptions {
  /** Default 15 s. */
  readonly heartbeatMs?: number;
  /** A reader with more than this unread is let go; it comes back with its Last-Event-ID. Default 4 MiB. */
  readonly maxUnreadBytes?: number;
  /** Messages kept for readers that come back. Default 1000. */
  readonly keep?: number;
  /** Changes within this time go out together. The first one goes at once. Default 100 ms. */
  readonly windowMs?: number;
}

/** How clusters come to prove themselves. */
export interface EnrolmentAccess {
  readonly identity: Pick<Identity, 'issueToken' | 'revoke' | 'forget' | 'get' | 'list'>;
  /** What agents are to dial; known once the listener answers. */
  readonly agentUrl: () => string;
}

/** What the API is given. */
export interface ApiOptions {
  readonly ledger: Ledger;
  /** The read model of the fleet, shared by all routes, the stream, the metrics and the trend. */
  readonly fleet: FleetIndex;
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
  /** The part of step ① that a webhook touches. */
  readonly source: { hint(): void };
  /** What Git says of policies. */
  readonly documents: PolicyDocuments;
  readonly config: ApiConfig;
  readonly access: Access;
  /** Hears of everything that somebody changed, or tried to. */
  readonly onAudit: OnAudit;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: agents do not enrol. */
  readonly enrolment?: EnrolmentAccess;
  readonly stream?: StreamOptions;
  /** Absent: the hub never stops. */
  readonly shutdown?: Pick<Shutdown, 'draining' | 'closing'> | undefined;
}

/** What routes work with. */
export interface ApiDeps extends ApiOptions {
  /** Shared by all ways in. */
  readonly countFailure: CountFailure;
}
