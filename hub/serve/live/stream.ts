import type { RequestHandler, Response } from 'express';
import { statusOf } from '../queries.ts';
import type { ApiDeps } from '../types.ts';
import { type Broadcast, encodeMessage, type Start } from './broadcast.ts';

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Proxies that gather answers (nginx) must pass each event on.
  'X-Accel-Buffering': 'no',
};

/** Comments keep proxies from closing a quiet stream, and show a reader that the hub lives. */
const beat = async (res: Response, { clock }: ApiDeps, intervalMs: number, signal: AbortSignal): Promise<void> => {
  try {
    for (;;) {
      await clock.sleep(intervalMs, signal);
      res.write(': heartbeat\n\n');
    }
  } catch {
    // Aborted: the reader is gone, or the hub stops.
  }
};

/** What a reader gets before anything that happens from its position on. */
const beginning = async (deps: ApiDeps, { replay, reset, id }: Start): Promise<string[]> => {
  if (replay.length > 0) return replay.map(({ text }) => text);
  const status = encodeMessage(id, { event: 'status', data: await statusOf(deps) });
  return reset ? [encodeMessage(id, { event: 'reset', data: {} }), status] : [status];
};

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A new reader gets the status
 * first; one that comes back gets what it missed, or `reset` and the status.
 */
export const streamHandler = (deps: ApiDeps, broadcast: Broadcast): RequestHandler => {
  const { heartbeatMs = 15_000, maxUnreadBytes = 4 * 1024 * 1024 } = deps.stream ?? {};
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
    const first = await beginning(deps, start);
    if (gone.signal.aborted) return;
    res.writeHead(200, HEADERS);
    res.write('retry: 1000\n\n');
    for (const text of [...first, ...meanwhile]) write(text);
    take = write;
    const { closing } = deps.shutdown ?? {};
    await beat(res, deps, heartbeatMs, closing === undefined ? gone.signal : AbortSignal.any([gone.signal, closing]));
    res.end();
  };
};
