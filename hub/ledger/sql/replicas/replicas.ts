import { type Backoff, type Clock, coalesce, createBackoff, type Logger } from '@fso/shared/runtime';
import { sql } from 'kysely';
import type pg from 'pg';
import { NOTIFY_CHANNEL } from '../batch/write-batch.ts';
import type { Database } from '../database.ts';
import { describeDatabaseError } from '../errors.ts';
import { endConnections } from '../history/cluster-history.ts';
import { lockWrites, nextVersion } from '../write-lock.ts';
import type { Outage, Replicas } from './alone.ts';
import { createLead, type Lead, readEpoch } from './lead.ts';
import { type AnswerQuestion, QUESTION_CHANNEL, Questions } from './questions.ts';
import type { ReplicaState } from './replica-state.ts';

const TICK_MS = 2_000;
/**
 * Age of the last read of other hubs' changes after which this hub may miss revocations, in
 * milliseconds.
 */
const STALE_MS = 10_000;
/** Seconds without a sign of life after which a replica and its streams are considered gone. */
export const DEAD_SECONDS = 8;
/** Channel on which a hub announces that the repository may have changed. */
const HINT_CHANNEL = 'repository_hints';
/**
 * Makes the server close a connection whose host or network is gone
 * (https://www.postgresql.org/docs/current/runtime-config-connection.html).
 */
const KEEPALIVE =
  'set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3; set tcp_user_timeout = 10000';
const RETRY = { baseMs: 200, maxMs: 2_000, minMs: 50 };

/** Shared database, and the state that follows it. */
export interface ReplicasDeps {
  readonly database: Database;
  /** Unique name of this process on the database. */
  readonly replica: string;
  readonly replicaState: ReplicaState;
  /** Whether the database answers the writes of this hub. A hub without answers cannot lead. */
  readonly canWrite: () => boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** Marks clusters of dead replicas as disconnected. The leader does this on their behalf. */
const releaseClusters = async ({ database: { db }, replica, clock }: ReplicasDeps, epoch: number): Promise<void> => {
  const alive = db.selectFrom('replicas').select('id').where(sql<boolean>`heartbeat > now() - make_interval(secs => ${DEAD_SECONDS})`);
  const lost = db.selectFrom('clusters').select('name').where('connected_by', 'not in', alive);
  if ((await lost.limit(1).execute()).length === 0) return;
  await db.transaction().execute(async (trx) => {
    await lockWrites(trx);
    if ((await readEpoch(trx)) !== epoch) return;
    const version = await nextVersion(trx, clock.now().toISOString());
    const ended = trx.updateTable('clusters').set({ connected_by: null, version, writer: `leader ${replica}` });
    await endConnections(trx, await ended.where('connected_by', 'not in', alive).returning(['name', 'last_seen']).execute());
    await sql`select pg_notify(${NOTIFY_CHANNEL}, ${replica})`.execute(trx);
  });
};

interface SyncTime {
  readonly at: Date;
  readonly monotonicMs: number;
}

/**
 * Role of this hub on a shared database. Uses one connection to listen, to renew the lease, and to
 * give signs of life.
 */
export class SharedReplicas implements Replicas {
  readonly #deps: ReplicasDeps;
  readonly #lead: Lead;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #leadHandlers: (() => void)[] = [];
  readonly #hintHandlers: (() => void)[] = [];
  readonly #questions: Questions;
  readonly #sync: () => Promise<void>;
  readonly #running: Promise<unknown>;
  #synced: SyncTime;
  /**
   * Start time of the server to which this hub is connected, and of the server that was read last.
   */
  #server: string | undefined;
  #serverRead: string | undefined;
  /** Whether it was already logged that this hub is behind. */
  #isBehind: boolean = false;

  constructor(deps: ReplicasDeps) {
    const { database, replica, clock, random, logger } = deps;
    this.#deps = deps;
    this.#backoff = createBackoff({ ...RETRY, random });
    this.#synced = this.#now();
    this.#sync = coalesce(() => this.#readOthers());
    this.#lead = createLead(replica, clock, (leads) => {
      logger.info({ replica }, leads ? 'this hub leads' : 'this hub no longer leads');
      if (leads) for (const handler of this.#leadHandlers) handler();
    });
    const notify = async (payload: string): Promise<void> => {
      await sql`select pg_notify(${QUESTION_CHANNEL}, ${payload})`.execute(database.reads);
    };
    this.#questions = new Questions({ replica, clock, notify });
    // Run concurrently: a sign of life must not wait for long work.
    this.#running = Promise.all([
      this.#run(),
      this.#repeat(this.#sync, 'changes of other hubs not read'),
      this.#repeat(() => this.#releaseClusters(), 'clusters of lost hubs not released'),
      this.#repeat(async () => this.#noteBehind(), 'lag behind other hubs not checked'),
    ]);
  }

  leads(): boolean {
    return this.#lead.epoch() !== undefined;
  }

  epoch(): number | undefined {
    return this.#lead.epoch();
  }

  onLead(handler: () => void): void {
    this.#leadHandlers.push(handler);
    if (this.leads()) handler();
  }

  shareHint(): void {
    const { database, replica, logger } = this.#deps;
    sql`select pg_notify(${HINT_CHANNEL}, ${replica})`
      .execute(database.reads)
      .catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'hint not shared'));
  }

  onSharedHint(handler: () => void): void {
    this.#hintHandlers.push(handler);
  }

  async ask(question: string, withinMs?: number): Promise<string | undefined> {
    try {
      return await this.#questions.ask(question, withinMs);
    } catch (error) {
      this.#deps.logger.debug({ reason: describeDatabaseError(error) }, 'other hubs not asked');
      return undefined;
    }
  }

  onAsked(answer: AnswerQuestion): void {
    this.#questions.onAsked(answer);
  }

  behindMs(): number {
    return this.#deps.clock.monotonicMs() - this.#synced.monotonicMs;
  }

  outage(): Outage | undefined {
    if (this.behindMs() <= STALE_MS) return undefined;
    return { ok: false, since: this.#synced.at.toISOString(), message: 'what other hubs have written cannot be read' };
  }

  async close(): Promise<void> {
    const { database, logger } = this.#deps;
    this.#stop.abort();
    await this.#running;
    await this.#lead
      .release(database.db)
      .catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'lead not released'));
  }

  async #run(): Promise<void> {
    const { database, clock, logger } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const client = await database.connect().catch(() => undefined);
      // Outages of the database are logged by the write queue.
      if (client !== undefined)
        await this.#serve(client).catch((error: unknown) =>
          logger.debug({ reason: describeDatabaseError(error) }, 'connection to other hubs lost'),
        );
      this.#lead.lose();
      await client?.end().catch(() => undefined);
      await clock.sleep(this.#backoff.next(), signal).catch(() => undefined);
    }
  }

  async #serve(client: pg.Client): Promise<void> {
    const ended = new AbortController();
    client.once('end', () => ended.abort());
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === QUESTION_CHANNEL) this.#onQuestion(payload);
      else if (payload !== this.#deps.replica) this.#onNotification(channel);
    });
    await client.query(KEEPALIVE);
    for (const channel of [NOTIFY_CHANNEL, HINT_CHANNEL, QUESTION_CHANNEL]) await client.query(`listen ${channel}`);
    const { rows } = await client.query<{ started: string }>('select pg_postmaster_start_time()::text as started');
    this.#server = rows[0]?.started;
    this.#serverRead ??= this.#server;
    // Reads what was written while nothing listened.
    this.#onNotification(NOTIFY_CHANNEL);
    const until = AbortSignal.any([ended.signal, this.#stop.signal]);
    while (!until.aborted) {
      await this.#beat(client);
      this.#backoff.reset();
      await this.#deps.clock.sleep(TICK_MS, until).catch(() => undefined);
    }
  }

  /**
   * Reads what other hubs wrote. After a change or restart of the server everything is read:
   * commits may be lost although other hubs have made new ones since.
   */
  async #readOthers(): Promise<void> {
    const { database, replica, replicaState } = this.#deps;
    const [began, server] = [this.#now(), this.#server];
    if (server === this.#serverRead) await replicaState.catchUp(database.reads, replica);
    else {
      await replicaState.startOver(database.reads, replica);
      this.#serverRead = server;
    }
    this.#noteSynced(began);
  }

  /** Handles a notification: another hub wrote to the ledger, or shares a hint. */
  #onNotification(channel: string): void {
    const { logger } = this.#deps;
    if (channel !== NOTIFY_CHANNEL) {
      for (const handler of this.#hintHandlers) handler();
      return;
    }
    // A failure is repaired by the next tick.
    this.#sync().catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, 'changes of other hubs not read'));
  }

  #onQuestion(payload: string): void {
    this.#questions
      .take(payload)
      .catch((error: unknown) => this.#deps.logger.debug({ reason: describeDatabaseError(error) }, 'question of another hub not answered'));
  }

  /** Gives a sign of life and renews the lease. */
  async #beat(client: pg.Client): Promise<void> {
    const { replica, canWrite } = this.#deps;
    await client.query('insert into replicas (id) values ($1) on conflict (id) do update set heartbeat = now()', [replica]);
    if (canWrite()) await this.#lead.renew(client);
    else this.#lead.lose();
  }

  async #releaseClusters(): Promise<void> {
    const epoch = this.#lead.epoch();
    if (epoch !== undefined) await releaseClusters(this.#deps, epoch);
  }

  /** Repeats work until this hub closes. */
  async #repeat(work: () => Promise<void>, failure: string): Promise<void> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await work().catch((error: unknown) => logger.debug({ reason: describeDatabaseError(error) }, failure));
      await clock.sleep(TICK_MS, signal).catch(() => undefined);
    }
  }

  #noteBehind(): void {
    if (this.#isBehind || this.behindMs() <= STALE_MS) return;
    this.#isBehind = true;
    const since = this.#synced.at.toISOString();
    this.#deps.logger.warn({ since }, 'changes of other hubs are not read: what they revoke is not known here');
  }

  #noteSynced(at: SyncTime): void {
    this.#synced = at;
    if (this.#isBehind) this.#deps.logger.info('changes of other hubs are read again');
    this.#isBehind = false;
  }

  #now(): SyncTime {
    const { clock } = this.#deps;
    return { at: clock.now(), monotonicMs: clock.monotonicMs() };
  }
}
