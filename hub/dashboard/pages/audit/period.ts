/** Spans of time that can be chosen, up to now. */
export const SPANS = ['1h', '24h', '7d', '30d'] as const;
type Span = (typeof SPANS)[number];

const HOUR_MS = 3_600_000;
const HOURS: Readonly<Record<Span, number>> = { '1h': 1, '24h': 24, '7d': 7 * 24, '30d': 30 * 24 };

export const SPAN_TEXTS: Readonly<Record<Span, string>> = {
  '1h': 'Last hour',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
};

export interface Period {
  readonly span?: Span | undefined;
  /** RFC 3339. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Bounds of a period for the API; a span wins over exact times. @param now milliseconds since 1970 */
export const boundsOf = ({ span, since, until }: Period, now: number): Pick<Period, 'since' | 'until'> =>
  span === undefined ? { since, until } : { since: new Date(now - HOURS[span] * HOUR_MS).toISOString() };

/** A time as a field of the type datetime-local has it: in the time zone of the browser, to the second. */
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

/** Its search parameters. */
export const PERIOD: readonly string[] = ['span', 'since', 'until'];
