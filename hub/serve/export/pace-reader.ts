import { once } from 'node:events';
import { Writable } from 'node:stream';
import { type Clock, OVER, waitPatiently } from '@fso/shared/runtime';

/**
 * Time for which a reader may keep the hub waiting; so many bytes more give a second of it back.
 */
const PATIENCE_MS = 60_000;
const BYTES_PER_SECOND = 65_536;

/**
 * Writes to the reader of an answer, and fails once the reader has kept the hub waiting for too
 * long in all: the database holds a snapshot until all is sent. Time that the hub takes does not
 * count.
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
      wait.abort(OVER);
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
    // Never more than at first: who was fast for long has no right to be slow for as long.
    leftMs = Math.min(leftMs + earnedMs, Math.max(PATIENCE_MS, earnedMs));
    if (!reader.write(chunk)) await drained();
    refuseGone();
  };

  return new Writable({
    write: (chunk: Buffer, _encoding, done) => void write(chunk).then(() => done(), done),
    final: (done) => {
      // What is left to send holds no snapshot.
      reader.end();
      done();
    },
  });
};
