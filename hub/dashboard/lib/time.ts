import { useSyncExternalStore } from 'react';

/** Times as people read them. */

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/**
 * Distance below which a time is shown as now, since the clocks of hub and browser differ a little.
 */
const NOW_MS = 2000;

/** @returns `3 minutes ago`, `in 5 days`, `now` */
export const relativeTime = (atMs: number, nowMs: number): string => {
  const distance = atMs - nowMs;
  if (Math.abs(distance) < NOW_MS) return 'now';
  const [unit, size] = UNITS.find(([, ms]) => Math.abs(distance) >= ms) ?? ['second', 1000];
  return relative.format(Math.trunc(distance / size), unit);
};

/** Formats a time with date, seconds and time zone, in the browser's language. */
export const exactTime = (atMs: number): string => exact.format(atMs);

/** Shortest time in milliseconds until the text of {@link relativeTime} can change. */
export const resolutionOf = (atMs: number, nowMs: number): number => {
  const distance = Math.abs(atMs - nowMs);
  if (distance < 60_000) return 1000;
  return distance < 3_600_000 ? 10_000 : 60_000;
};

/** @returns `830 ms`, `1.4 s`, `3 min 20 s`, `2 h 5 min` */
export const formatDuration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/**
 * Formats a time as the value of a datetime-local field: in the time zone of the browser, to the
 * second.
 */
export const localOf = (time: string | undefined): string => {
  const at = new Date(time ?? '');
  if (Number.isNaN(at.getTime())) return '';
  const two = (part: number): string => String(part).padStart(2, '0');
  const date = [String(at.getFullYear()).padStart(4, '0'), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${date}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
};

/** @returns undefined for an empty or half-filled field */
export const timeOf = (local: string): string | undefined => {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
};

const TICK_MS = 1000;

/** Listeners of the timer that all times share, since a table shows many of them. */
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

/**
 * Returns the current time in milliseconds since 1970, rounded down. Components that use it render
 * once per `resolutionMs`.
 */
export const useNow = (resolutionMs: number): number =>
  useSyncExternalStore(subscribe, () => Math.floor(Date.now() / resolutionMs) * resolutionMs);
