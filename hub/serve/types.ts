import type { Clock } from '@fso/shared/runtime';
import type { pino } from 'pino';
import type { Registry } from 'prom-client';
import type { Ledger } from '../ledger/types.ts';

export interface ApiConfig {
  /** Bearer token of /api/v1 and /metrics; absent: open. */
  readonly apiToken?: string | undefined;
  /** Secret of Git webhooks; absent: they are taken from this machine only. */
  readonly webhookSecret?: string | undefined;
  readonly version: string;
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

export interface ApiDeps {
  readonly ledger: Ledger;
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
  /** The part of step ① that a webhook touches. */
  readonly source: { hint(): void };
  readonly config: ApiConfig;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: pino.Logger;
  readonly stream?: StreamOptions;
}
