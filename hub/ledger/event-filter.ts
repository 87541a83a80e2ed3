import type { EventView } from '@fso/shared/api';

/** Period between two times, both included. */
export interface Period {
  /** RFC 3339. */
  readonly since?: string;
  readonly until?: string;
}

/** Whether a time is within a period, both ends included. @param time RFC 3339 */
export const isWithin = (time: string, { since, until }: Period): boolean =>
  (since === undefined || Date.parse(time) >= Date.parse(since)) && (until === undefined || Date.parse(time) <= Date.parse(until));

/** Filter of events. An event matches if all given fields do. */
export interface EventFilter {
  readonly cluster?: string;
  readonly policy?: string;
  readonly severity?: EventView['severity'];
  /** Bounds of the time of the event itself, RFC 3339, UTC with milliseconds. */
  readonly since?: string;
  readonly until?: string;
  /** Text to find in reason, message, policy or cluster. Case-insensitive. */
  readonly q?: string;
}

const hasText = ({ reason, message, policy, cluster }: EventView, q: string): boolean => {
  const wanted = q.toLowerCase();
  return [reason, message, policy, cluster].some((text) => text?.toLowerCase().includes(wanted) === true);
};

/** Whether an event matches all given fields. */
export const matchesEvent = (event: EventView, filter: EventFilter): boolean =>
  (filter.cluster === undefined || event.cluster === filter.cluster) &&
  (filter.policy === undefined || event.policy === filter.policy) &&
  (filter.severity === undefined || event.severity === filter.severity) &&
  isWithin(event.time, filter) &&
  (filter.q === undefined || hasText(event, filter.q));
