import type { RequestHandler, Response } from 'express';
import { type Broadcast, encodeMessage } from './broadcast.ts';
import { statusOf } from './queries.ts';
import type { ApiDeps } from './types.ts';

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
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
    // Aborted: the reader is gone.
  }
};

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A new reader gets the status
 * first; one that comes back gets what it missed, or `reset` and the status.
 */
export const streamHandler = (deps: ApiDeps, broadcast: Broadcast): RequestHandler => {
  const { heartbeatMs = 15_000, maxUnreadBytes = 4 * 1024 * 1024 } = deps.stream ?? {};
  return async (req, res) => {
    // Read before the position is taken: nothing may come between the position and the subscription.
    const status = await statusOf(deps);
    // Gone meanwhile: `close` was emitted already and would end nothing that begins now.
    if (res.destroyed) return;
    const { replay, reset, id } = broadcast.start(req.get('Last-Event-ID'));
    const gone = new AbortController();
    const write = (text: string): void => {
      res.write(text);
      if (res.writableLength > maxUnreadBytes) res.destroy();
    };
    const unsubscribe = broadcast.subscribe(({ text }) => write(text));
    res.once('close', () => {
      unsubscribe();
      gone.abort();
    });
    res.writeHead(200, HEADERS);
    res.write('retry: 1000\n\n');
    if (reset) write(encodeMessage(id, { event: 'reset', data: {} }));
    for (const message of replay) write(message.text);
    if (replay.length === 0) write(encodeMessage(id, { event: 'status', data: status }));
    await beat(res, deps, heartbeatMs, gone.signal);
  };
};
