import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { markSessionEnded } from '../../api/session.ts';
import { createConnection, type StreamConnection } from './connection.ts';
import { setLiveState } from './live-status.tsx';
import { createRefreshRounds } from './refresh-rounds.ts';
import { readAgain, readFailed, staleKeys, writeEvent } from './update-queries.ts';

/** Time after which a hidden tab closes its connection. Over HTTP/1.1 a browser has six per hub. */
const HIDDEN_MS = 30_000;

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

const connectTo = (client: QueryClient): StreamConnection => {
  let isFirst = true;
  const now = (): number => Date.now();
  const readLater = createRefreshRounds({ round: (old) => readAgain(client, old), now, sleep });
  return createConnection({
    onState: setLiveState,
    onEvent: (event) => {
      readLater([...writeEvent(client, event), ...staleKeys(event)]);
    },
    onLive: () => {
      // No event covers the time between the first reads and the first connection. Later
      // connections resume the stream where it was cut.
      if (isFirst) readLater([[]]);
      else void readFailed(client);
      isFirst = false;
    },
    onSignedOut: markSessionEnded,
    now,
    random: Math.random,
    sleep,
  });
};

/**
 * Keeps the stream open while the tab is visible, and for a while after.
 *
 * @returns a function that ends it
 */
const keepOpen = (connection: StreamConnection): (() => void) => {
  let open: AbortController | undefined;
  let hiding: ReturnType<typeof setTimeout> | undefined;
  const start = (): void => {
    if (open !== undefined) {
      connection.hurry();
      return;
    }
    open = new AbortController();
    void connection.run(open.signal);
  };
  const stop = (): void => {
    open?.abort();
    open = undefined;
  };
  const pause = (): void => {
    stop();
    setLiveState({ kind: 'paused' });
  };
  const onVisibility = (): void => {
    clearTimeout(hiding);
    if (document.visibilityState === 'visible') start();
    else hiding = setTimeout(pause, HIDDEN_MS);
  };
  const onOnline = (): void => connection.hurry();
  document.addEventListener('visibilitychange', onVisibility);
  window.addEventListener('online', onOnline);
  start();
  return () => {
    clearTimeout(hiding);
    document.removeEventListener('visibilitychange', onVisibility);
    window.removeEventListener('online', onOnline);
    stop();
  };
};

/** Follows the events of the hub while `isOn`. */
export const useLive = (isOn: boolean): void => {
  const client = useQueryClient();
  useEffect(() => (isOn ? keepOpen(connectTo(client)) : undefined), [client, isOn]);
};
