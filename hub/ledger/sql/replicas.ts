import { coalesce, createBackoff } from '@fso/shared/runtime';
import { sql } from 'kysely';
import type pg from 'pg';
import type { LedgerHealth } from '../types.ts';
import { describeDatabaseError } from './errors.ts';
import { createLead, readEpoch } from './lead.ts';
import type { ReplicaState } from './replica-state.ts';
import type { SqlLedgerOptions } from './sql-ledger.ts';
import { lockWrites, NOTIFY_CHANNEL, nextVersion } from './write-batch.ts';

/** This hub among those that share a database. */
export interface Replicas {
  leads(): boolean;
  /** Number of the term that this hub leads in; undefined: it does not lead, or is alone. */
  epoch(): number | undefined;
  onLead(handler: () => void): void;
  shareHint(): void;
  onSharedHint(handler: () => void): void;
  /** Milliseconds since all was known here that the others had written. */
  behindMs(): number;
  /** Whether that is too long, and since when. */
  outage(): Extract<LedgerHealth, { ok: false }> | undefined;
  close(): Promise<void>;
}

const TICK_MS = 2_000;
/** A hub that has not heard of the others for longer does not know what they have revoked. */
const STALE_MS = 10_000;
/** A replica without a sign of life for this long is gone, and so are the streams that it held. */
const DEAD_SECONDS = 8;
/** Where a hub says that the repository may have changed. */
const HINT_CHANNEL = 'repository_hints';
/** The server lets go of a connection whose host or network is gone (https://www.postgresql.org/docs/current/runtime-config-connection.html). */
const KEEPALIVE =
  'set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3; set tcp_user_timeout = 10000';
const RETRY = { baseMs: 200, maxMs: 2_000, minMs: 50 };

export interface ReplicasOptions extends SqlLedgerOptions {
  readonly replica: string;
  readonly replicaState: ReplicaState;
}

/** Takes over what the others wrote since it was last asked. Versions grow in the order of the commits, so none is missed. */
const createSync = ({ database: { reads }, replicaState, replica }: ReplicasOptions): (() => Promise<void>) => {
  let cursor = 0;
  return async () => {
    const rows = await reads.selectFrom('clusters').select(['name', 'version', 'writer']).where('version', '>', cursor).execute();
    await replicaState.refresh(
      reads,
      rows.filter(({ writer }) => writer !== replica).map(({ name }) => name),
    );
    cursor = rows.reduce((last, { version }) => Math.max(last, version), cursor);
  };
};

/** Clusters whose replica is gone are not connected. The replica cannot say so any more, so the leader does. */
const releaseClusters = async ({ database: { db }, replica }: ReplicasOptions, epoch: number): Promise<void> => {
  const alive = db.selectFrom('replicas').select('id').where(sql<boolean>`heartbeat > now() - make_interval(secs => ${DEAD_SECONDS})`);
  const lost = db.selectFrom('clusters').select('name').where('connected_by', 'not in', alive);
  if ((await lost.limit(1).execute()).length === 0) return;
  await db.transaction().execute(async (trx) => {
    await lockWrites(trx);
    if ((await readEpoch(trx)) !== epoch) return;
    await trx
      .updateTable('clusters')
      .set({ connected_by: null, version: await nextVersion(trx), writer: `leader ${replica}` })
      .where('connected_by', 'not in', alive)
      .execute();
    await sql`select pg_notify(${NOTIFY_CHANNEL}, ${replica})`.execute(trx);
  });
};

/** One connection listens, leads if no other hub does, and gives signs of life. */
export const startReplicas = (options: ReplicasOptions): Replicas => {
  const { database, replica, clock, random, logger } = options;
  const stop = new AbortController();
  const handlers: (() => void)[] = [];
  const hintHandlers: (() => void)[] = [];
  const backoff = createBackoff({ ...RETRY, random });
  const readChanges = createSync(options);
  let synced = { at: clock.now(), monotonicMs: clock.monotonicMs() };
  let told = false;
  const noteSynced = (at: typeof synced): void => {
    synced = at;
    if (told) logger.info('changes of other hubs are read again');
    told = false;
  };
  const sync = coalesce(async () => {
    const began = { at: clock.now(), monotonicMs: clock.monotonicMs() };
    await readChanges();
    noteSynced(began);
  });
  const behindMs = (): number => clock.monotonicMs() - synced.monotonicMs;
  const lead = createLead(replica, clock, (leads) => {
    logger.info({ replica }, leads ? 'this hub leads' : 'this hub does not lead any more');
    if (leads) for (const handler of handlers) handler();
  });

  const catchUp = (): void => {
    // What fails here is tried again with the next tick.
    sync().catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'changes of other hubs not read'));
  };
  /** Another hub says something. */
  const hear = (channel: string): void => {
    if (channel === NOTIFY_CHANNEL) catchUp();
    else for (const handler of hintHandlers) handler();
  };
  const tick = async (client: pg.Client): Promise<void> => {
    const beat = 'insert into replicas (id) values ($1) on conflict (id) do update set heartbeat = now()';
    await client.query(beat, [replica]);
    await lead.renew(client);
    const epoch = lead.epoch();
    if (epoch !== undefined) await releaseClusters(options, epoch);
    await sync();
  };
  const serve = async (client: pg.Client): Promise<void> => {
    const ended = new AbortController();
    client.once('end', () => ended.abort());
    client.on('notification', ({ channel, payload }) => {
      if (payload !== replica) hear(channel);
    });
    await client.query(KEEPALIVE);
    for (const channel of [NOTIFY_CHANNEL, HINT_CHANNEL]) await client.query(`listen ${channel}`);
    const until = AbortSignal.any([ended.signal, stop.signal]);
    while (!until.aborted) {
      await tick(client);
      backoff.reset();
      await clock.sleep(TICK_MS, until).catch(() => undefined);
    }
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const client = await database.connect().catch(() => undefined);
      // The queue says when the database is away and when it is back.
      if (client !== undefined)
        await serve(client).catch((error: unknown) =>
          logger.debug({ reason: describeDatabaseError(error) }, 'connection to other hubs lost'),
        );
      lead.lose();
      await client?.end().catch(() => undefined);
      await clock.sleep(backoff.next(), stop.signal).catch(() => undefined);
    }
  };
  /** Beside the connection, whose queries may hang. */
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(TICK_MS, stop.signal).catch(() => undefined);
      if (told || behindMs() <= STALE_MS) continue;
      told = true;
      logger.warn({ since: synced.at.toISOString() }, 'changes of other hubs are not read: what they revoke is not known here');
    }
  };
  const running = Promise.all([run(), watch()]);

  return {
    leads: () => lead.epoch() !== undefined,
    epoch: lead.epoch,
    onLead: (handler) => {
      handlers.push(handler);
      if (lead.epoch() !== undefined) handler();
    },
    shareHint: () => {
      sql`select pg_notify(${HINT_CHANNEL}, ${replica})`
        .execute(database.reads)
        .catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'hint not shared'));
    },
    onSharedHint: (handler) => void hintHandlers.push(handler),
    behindMs,
    outage: () =>
      behindMs() > STALE_MS
        ? { ok: false, since: synced.at.toISOString(), message: 'what other hubs have written cannot be read' }
        : undefined,
    close: async () => {
      stop.abort();
      await running;
      await lead
        .release(database.db)
        .catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'lead not released'));
    },
  };
};

/** The only hub on its database. */
export const ALONE: Replicas = {
  leads: () => true,
  epoch: () => undefined,
  onLead: (handler) => handler(),
  shareHint: () => undefined,
  onSharedHint: () => undefined,
  behindMs: () => 0,
  outage: () => undefined,
  close: async () => undefined,
};
