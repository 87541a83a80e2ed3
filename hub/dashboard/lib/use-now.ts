import { useSyncExternalStore } from 'react';

const TICK_MS = 1000;

/** One timer for all: a table shows many times. */
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

const tick = (): void => {
  for (const onTick of listeners) onTick();
};

const subscribe = (onTick: () => void): (() => void) => {
  if (listeners.size === 0) timer = setInterval(tick, TICK_MS);
  listeners.add(onTick);
  return () => {
    listeners.delete(onTick);
    if (listeners.size === 0) clearInterval(timer);
  };
};

/** Now, in milliseconds since 1970, rounded down: what uses it is drawn again once per `resolutionMs`. */
export const useNow = (resolutionMs: number): number =>
  useSyncExternalStore(subscribe, () => Math.floor(Date.now() / resolutionMs) * resolutionMs);
