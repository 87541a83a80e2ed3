/** From one time to another, both included. */
export interface Period {
  /** RFC 3339. */
  readonly since?: string;
  readonly until?: string;
}

/** @param time RFC 3339 */
export const isWithin = (time: string, { since, until }: Period): boolean =>
  (since === undefined || Date.parse(time) >= Date.parse(since)) && (until === undefined || Date.parse(time) <= Date.parse(until));
