import type { IncomingHttpHeaders } from 'node:http';

const WARNING = /\b299 \S+ "((?:[^"\\]|\\.)*)"/g;

/** Texts of the `Warning: 299 - "…"` headers (RFC 9111 §5.5); admission warnings come this way. */
export const parseWarnings = (header: string | readonly string[] | undefined): string[] => {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  return [...text.matchAll(WARNING)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1'));
};

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), in milliseconds. */
export const parseRetryAfter = (headers: IncomingHttpHeaders, now: Date): number | undefined => {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
};
