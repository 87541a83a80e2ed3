import { once } from 'node:events';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Clock, type Logger, WAIT_OVERTAKEN, waitPatiently } from '@fso/shared/runtime';
import { callerOf } from '../http/caller.ts';
import { ADMIN_CHANGE, type HubScope, type Route } from '../http/route.ts';

/**
 * Total time that a reader may keep the hub waiting. Every {@link BYTES_PER_SECOND} bytes that it
 * reads give back one second.
 */
const PATIENCE_MS = 60_000;
const BYTES_PER_SECOND = 65_536;

/**
 * Wraps the reader of a backup. Writes fail once the reader has kept the hub waiting too long in
 * total, because the database holds a snapshot until everything is sent. Time spent by the hub does
 * not count.
 */
export const paceReader = (reader: Writable, clock: Clock): Writable => {
  let sent = 0;
  let leftMs = PATIENCE_MS;

  const giveUp = (): never => {
    throw new Error(`its reader is too slow: it took less than 64 KiB/s, and ${Math.floor(sent / 1024)} KiB in all`);
  };
  const drained = async (): Promise<void> => {
    const since = clock.monotonicMs();
    const wait = new AbortController();
    const { signal } = wait;
    try {
      const events = ['drain', 'close'].map((event) => once(reader, event, { signal }));
      await Promise.race([...events, waitPatiently(clock, leftMs, signal).then(giveUp)]);
    } finally {
      wait.abort(WAIT_OVERTAKEN);
      leftMs -= clock.monotonicMs() - since;
    }
  };
  const refuseGone = (): void => {
    if (reader.destroyed) throw reader.errored ?? new Error('its reader left before the end');
  };
  const write = async (chunk: Buffer): Promise<void> => {
    refuseGone();
    sent += chunk.length;
    const earnedMs = (chunk.length / BYTES_PER_SECOND) * 1000;
    // Capped, so that a fast start does not allow an equally long stall later.
    leftMs = Math.min(leftMs + earnedMs, Math.max(PATIENCE_MS, earnedMs));
    if (!reader.write(chunk)) await drained();
    refuseGone();
  };

  return new Writable({
    write: (chunk: Buffer, _encoding, done) => void write(chunk).then(() => done(), done),
    final: (done) => {
      // The snapshot is released already; only buffered data is left to send.
      reader.end();
      done();
    },
  });
};

interface BackupDeps {
  /** Writes a backup of the ledger. */
  readonly backup: (target: Writable) => Promise<unknown>;
  readonly runtime: { readonly clock: Clock; readonly logger: Logger };
}

/** Route that streams the whole ledger to administrators. */
export const backupRoutes: readonly Route<BackupDeps, HubScope>[] = [
  {
    ...ADMIN_CHANGE,
    method: 'get',
    path: '/api/v1/backup',
    operationId: 'backupLedger',
    summary: 'A backup of the ledger',
    description:
      'As of one moment: JSON Lines, packed with gzip, signed by the key of the audit log. Its last line tells whether it is whole. A reader that takes nothing for 30 s, or less than 64 KiB/s for more than a minute in all, is cut off. For `fso restore`.',
    tag: 'hub',
    slots: 'export',
    response: { status: 200, description: 'The file.', contentType: 'application/gzip' },
    problems: ['too-many-requests'],
    handler:
      ({ backup, runtime: { clock, logger } }) =>
      async (_req, res) => {
        const caller = callerOf(res);
        caller.about('ledger');
        // Recorded first, so that every download leaves an audit entry.
        await caller.audit('backupLedger', 'done');
        res.attachment('ledger.jsonl.gz').type('application/gzip');
        try {
          await backup(paceReader(res, clock));
          // A small backup may still be buffered.
          await finished(res);
        } catch (err) {
          if (!res.headersSent) {
            res.removeHeader('Content-Disposition');
            throw err;
          }
          logger.error({ err }, 'a backup was not sent to its end');
          // The reader detects the truncation by the missing last line.
          res.destroy();
        }
      },
  },
];
