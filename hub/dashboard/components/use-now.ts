import { useSyncExternalStore } from 'react';

const TICK_MS = 1000;

const subscribe = (onTick: () => void): (() => void) => {
  const timer = setInterval(onTick, TICK_MS);
  return () => clearInterval(timer);
};

/** Now, in milliseconds since 1970, rounded down: what uses it is drawn again once per `resolutionMs`. */
export const useNow = (resolutionMs: number): number =>
  useSyncExternalStore(subscribe, () => Math.floor(Date.now() / resolutionMs) * resolutionMs);
