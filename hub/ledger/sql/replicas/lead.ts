import type { Clock } from '@fso/shared/runtime';
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import type { Schema } from '../schema.ts';

/**
 * Seconds without a sign of life after which another hub replaces a leader. Measured by the clock
 * of the database, which is the same for all hubs.
 */
const LEASE_SECONDS = 10;
/**
 * Time after its last renewal for which a hub believes that it leads. Shorter than the lease, so
 * that it has stopped when another one begins.
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
 * Lease by which one of the hubs on a database leads: one row, which each tries to take or to
 * renew.
 */
export interface Lead {
  /** Number of the term that this hub leads in; undefined: it does not lead. */
  epoch(): number | undefined;
  /** Takes or renews the lead, if no other hub has it. */
  renew(client: pg.Client): Promise<void>;
  /** Ends the term, as this hub no longer knows whether it leads. */
  lose(): void;
  /** Leaves the lead to another hub at once. */
  release(db: Kysely<Schema>): Promise<void>;
}

/**
 * Creates this hub's part in the lease of the leader.
 *
 * @param onChange called when a term of this hub begins or ends; for a term that could not be
 * renewed, with the next call
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
      // Callers that asked meanwhile learned that this hub does not lead: what begins with a term
      // begins again.
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
 * Reads the term of the leader.
 *
 * @returns the number of the current term, of whichever hub leads. Read it in a transaction that
 * holds the write lock: writes of an earlier leader come too late
 */
export const readEpoch = async (db: Kysely<Schema>): Promise<number | undefined> => {
  const row = await db.selectFrom('leader').select('epoch').executeTakeFirst();
  return row?.epoch;
};
