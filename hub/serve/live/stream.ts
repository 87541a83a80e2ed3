import type { Clock, Shutdown } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';
import type { FleetDeps, FleetReader } from '../fleet/fleet-reader.ts';
import { type Broadcast, encodeMessage, type StreamOptions, type StreamStart } from './broadcast.ts';

/** Settings and process of event streams. */
export interface StreamDeps extends FleetDeps {
  readonly config: { readonly stream?: StreamOptions | undefined };
  readonly runtime: { readonly clock: Clock; readonly shutdown?: Pick<Shutdown, 'closing'> | undefined };
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Makes buffering proxies (nginx) pass on each event.
  'X-Accel-Buffering': 'no',
};

/**
 * Sends heartbeat comments, which keep proxies from closing a quiet stream and show that the hub is
 * alive.
 */
const beat = async (res: Response, clock: Clock, intervalMs: number, signal: AbortSignal): Promise<void> => {
  try {
    for (;;) {
      await clock.sleep(intervalMs, signal);
      res.write(': heartbeat\n\n');
    }
  } catch {
    // Aborted: the reader left, or the hub stops.
  }
};

/**
 * Reader that may be slow. Its unread bytes are bounded. After skipped messages it is told to read
 * again.
 */
class SlowReader {
  readonly #res: Response;
  readonly #maxUnreadBytes: number;
  /** Builds the messages that replace the skipped ones, once the reader has read all others. */
  readonly #again: () => Promise<readonly string[]>;
  #isBehind: boolean = false;

  constructor(res: Response, maxUnreadBytes: number, again: () => Promise<readonly string[]>) {
    this.#res = res;
    this.#maxUnreadBytes = maxUnreadBytes;
    this.#again = again;
  }

  write(text: string): void {
    if (this.#isBehind) return;
    this.#res.write(text);
    if (this.#res.writableLength <= this.#maxUnreadBytes) return;
    this.#isBehind = true;
    this.#res.once('drain', () => this.#catchUp());
  }

  #catchUp(): void {
    this.#isBehind = false;
    this.#again().then(
      (texts) => {
        for (const text of texts) this.write(text);
      },
      // It reconnects with the position of the last message that it read.
      () => this.#res.destroy(),
    );
  }
}

/** Messages that a reader gets before live ones. */
const openingMessages = async (fleet: FleetReader, { replay, reset, id }: StreamStart): Promise<string[]> => {
  if (replay.length > 0) return replay.map(({ text }) => text);
  const status = encodeMessage(id, { event: 'status', data: await fleet.readStatus() });
  return reset ? [encodeMessage(id, { event: 'reset', data: {} }), status] : [status];
};

/**
 * Serves server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A new
 * reader gets the status first. A reader that reconnects gets the missed messages, or `reset` and
 * the status.
 */
export const streamHandler = ({ fleet, config, runtime }: StreamDeps, broadcast: Broadcast): RequestHandler => {
  const { heartbeatMs = 15_000, maxUnreadBytes = 1024 * 1024 } = config.stream ?? {};
  return async (req, res) => {
    // The response is already closed and will not emit `close` again.
    if (res.destroyed) return;
    const gone = new AbortController();
    const reader = new SlowReader(res, maxUnreadBytes, async () => openingMessages(fleet, { ...broadcast.start(undefined), reset: true }));
    const write = (text: string): void => reader.write(text);
    const lastId = req.get('Last-Event-ID');
    const start = broadcast.start(lastId);
    // No message may be missed between the position and the subscription. Messages that arrive
    // while the status is read are queued.
    const meanwhile: string[] = [];
    let take = (text: string): void => {
      meanwhile.push(text);
    };
    const unsubscribe = broadcast.subscribe({ isNew: lastId === undefined, take: ({ text }) => take(text) });
    res.once('close', () => {
      unsubscribe();
      gone.abort();
    });
    const opening = await openingMessages(fleet, start);
    if (gone.signal.aborted) return;
    res.writeHead(200, HEADERS);
    res.write('retry: 1000\n\n');
    for (const text of [...opening, ...meanwhile]) write(text);
    take = write;
    const { closing } = runtime.shutdown ?? {};
    await beat(res, runtime.clock, heartbeatMs, closing === undefined ? gone.signal : AbortSignal.any([gone.signal, closing]));
    res.end();
  };
};
