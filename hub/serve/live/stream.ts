import type { Clock, Shutdown } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';
import type { FleetDeps, FleetReader } from '../fleet/fleet-reader.ts';
import { type Broadcast, encodeMessage, type Start, type StreamOptions } from './broadcast.ts';

export interface StreamDeps extends FleetDeps {
  readonly config: { readonly stream?: StreamOptions | undefined };
  readonly runtime: { readonly clock: Clock; readonly shutdown?: Pick<Shutdown, 'closing'> | undefined };
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Proxies that gather answers (nginx) must pass each event on.
  'X-Accel-Buffering': 'no',
};

/** Comments keep proxies from closing a quiet stream, and show a reader that the hub lives. */
const beat = async (res: Response, clock: Clock, intervalMs: number, signal: AbortSignal): Promise<void> => {
  try {
    for (;;) {
      await clock.sleep(intervalMs, signal);
      res.write(': heartbeat\n\n');
    }
  } catch {
    // Aborted: the reader is gone, or the hub stops.
  }
};

/** What a reader gets before everything that happens from its position on. */
const openingMessages = async (fleet: FleetReader, { replay, reset, id }: Start): Promise<string[]> => {
  if (replay.length > 0) return replay.map(({ text }) => text);
  const status = encodeMessage(id, { event: 'status', data: await fleet.readStatus() });
  return reset ? [encodeMessage(id, { event: 'reset', data: {} }), status] : [status];
};

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A new reader gets the status
 * first; one that returns gets what it missed, or `reset` and the status.
 */
export const streamHandler = ({ fleet, config, runtime }: StreamDeps, broadcast: Broadcast): RequestHandler => {
  const { heartbeatMs = 15_000, maxUnreadBytes = 4 * 1024 * 1024 } = config.stream ?? {};
  return async (req, res) => {
    // Gone already: `close` was emitted and would end nothing that begins now.
    if (res.destroyed) return;
    const gone = new AbortController();
    const write = (text: string): void => {
      res.write(text);
      if (res.writableLength > maxUnreadBytes) res.destroy();
    };
    const start = broadcast.start(req.get('Last-Event-ID'));
    // Nothing may come between the position and the subscription; what comes while the status is read waits for it.
    const meanwhile: string[] = [];
    let take = (text: string): void => {
      meanwhile.push(text);
    };
    const unsubscribe = broadcast.subscribe(({ text }) => take(text));
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
