import type { RequestHandler } from 'express';

/** Longest time for which a reader may read nothing, in milliseconds. */
export const UNREAD_MS = 30_000;

/**
 * Cuts an answer whose reader reads nothing for a time: it would keep its slot and its memory
 * without end. A slow reader is not cut, nor one that waits for the hub.
 *
 * Node calls the timeout of a socket without traffic, also within one large write.
 */
export const cutUnread =
  (unreadMs: number): RequestHandler =>
  (_req, res, next) => {
    res.setTimeout(unreadMs, () => {
      if (res.writableLength > 0) res.destroy(new Error(`its reader read nothing for ${unreadMs / 1000} s`));
    });
    next();
  };
