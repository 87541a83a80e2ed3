/** Time spans until now that can be chosen. */
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

/** Time span of a list: a span until now, or a beginning and an end. */
export interface Period {
  readonly span?: Span | undefined;
  /** RFC 3339. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * Returns the bounds of a period for the API. A span takes precedence over exact times.
 *
 * @param now milliseconds since 1970
 */
export const boundsOf = ({ span, since, until }: Period, now: number): Pick<Period, 'since' | 'until'> =>
  span === undefined ? { since, until } : { since: new Date(now - HOURS[span] * HOUR_MS).toISOString() };

/** Search parameters of a period. */
export const PERIOD: readonly string[] = ['span', 'since', 'until'];
