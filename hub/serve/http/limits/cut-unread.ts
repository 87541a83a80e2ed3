import type { RequestHandler } from 'express';

/** Milliseconds for which a reader may take nothing of what is sent. */
export const UNREAD_MS = 30_000;

/**
 * Cuts an answer whose reader takes nothing of it for a time: it would keep its slot, and its memory, for as long as it likes. A slow reader
 * is not cut, nor one that waits for the hub.
 *
 * Node calls the timeout of a socket on which nothing goes in or out, also within one large write.
 */
export const cutUnread =
  (unreadMs: number): RequestHandler =>
  (_req, res, next) => {
    res.setTimeout(unreadMs, () => {
      if (res.writableLength > 0) res.destroy();
    });
    next();
  };
