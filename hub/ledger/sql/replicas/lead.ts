import type { Clock } from '@fso/shared/runtime';
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import type { Schema } from '../schema.ts';

/**
 * Lease duration in seconds: a leader without a sign of life for this long is replaced. Measured by
 * the clock of the database, which all hubs share.
 */
const LEASE_SECONDS = 10;
/**
 * Time after its last renewal for which a hub considers itself the leader. Shorter than the lease,
 * so that it has stopped before another hub starts.
 */
const BELIEF_MS = 8_000;

const RENEW = `
  insert into leader as held (name, replica, epoch, heartbeat) values ('hub', $1, 1, clock_timestamp())
  on conflict (name) do update set
    replica = excluded.replica,
    epoch = case when held.replica = excluded.replica then held.epoch else held.epoch + 1 end,
    heartbeat = clock_timestamp()
  where held.replica = excluded.replica or held.heartbeat < clock_timestamp() - make_interval(secs => ${LEASE_SECONDS})
  returning epoch`;

/**
 * Lease by which one of the hubs on a database leads: a single row that each hub tries to acquire
 * or renew.
 */
export interface Lead {
  /** Number of the term in which this hub leads; undefined: it does not lead. */
  epoch(): number | undefined;
  /** Acquires or renews the lease, unless another hub holds it. */
  renew(client: pg.Client): Promise<void>;
  /** Ends the term, because this hub no longer knows whether it leads. */
  lose(): void;
  /** Releases the lease, so that another hub can lead at once. */
  release(db: Kysely<Schema>): Promise<void>;
}

/**
 * Creates this hub's side of the leader lease.
 *
 * @param onChange called when a term of this hub begins or ends. The end of a term that could not
 * be renewed is reported at the next call
 */
export const createLead = (replica: string, clock: Clock, onChange: (leads: boolean) => void): Lead => {
  let term: { readonly epoch: number; readonly until: number } | undefined;
  const isCurrent = (): boolean => term !== undefined && clock.monotonicMs() < term.until;
  const end = (): void => {
    if (term === undefined) return;
    term = undefined;
    onChange(false);
  };
  return {
    epoch: () => (isCurrent() ? term?.epoch : undefined),
    renew: async (client) => {
      const asked = clock.monotonicMs();
      const { rows } = await client.query<{ epoch: number }>(RENEW, [replica]);
      const epoch = rows[0]?.epoch;
      // The lease had expired in between and callers saw that this hub does not lead, so a new term
      // begins.
      if (!isCurrent() || epoch !== term?.epoch) end();
      if (epoch === undefined) return;
      const begins = term === undefined;
      term = { epoch, until: asked + BELIEF_MS };
      if (begins) onChange(true);
    },
    lose: end,
    release: async (db) => {
      end();
      await db.updateTable('leader').set({ heartbeat: sql`'-infinity'` }).where('replica', '=', replica).execute();
    },
  };
};

/**
 * Reads the number of the current term, whichever hub leads. In a transaction that holds the write
 * lock, this excludes later writes of an earlier leader.
 */
export const readEpoch = async (db: Kysely<Schema>): Promise<number | undefined> => {
  const row = await db.selectFrom('leader').select('epoch').executeTakeFirst();
  return row?.epoch;
};
