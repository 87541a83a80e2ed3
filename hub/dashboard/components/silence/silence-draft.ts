import { AlertLabels, type AlertView, type SilenceRequest } from '@fso/shared/api';
import { timeOf } from '../../lib/time.ts';

/** Labels that matchers compare. */
export const MATCHED_LABELS = ['name', 'severity', ...AlertLabels.keyof().options] as const;
export type MatchedLabel = (typeof MATCHED_LABELS)[number];

/** Operators of a matcher, with their texts in the form. */
export const OPERATORS = { '=': 'is', '!=': 'is not', '=~': 'matches', '!~': 'does not match' } as const;
export type MatchOperator = keyof typeof OPERATORS;

/** A matcher while it is edited. */
export interface MatcherDraft {
  readonly label: MatchedLabel;
  readonly operator: MatchOperator;
  readonly value: string;
}

/**
 * Quotes a value and escapes quotes in it. Backslashes are escaped as well, except in a pattern,
 * where they already escape.
 */
const quote = (value: string, operator: MatchOperator): string =>
  `"${value.replaceAll(operator === '=' || operator === '!=' ? /["\\]/g : /"/g, String.raw`\$&`)}"`;

/** @returns a matcher in the syntax of the API, e.g. `cluster="eu-1"` */
export const formatMatcher = ({ label, operator, value }: MatcherDraft): string => `${label}${operator}${quote(value, operator)}`;

/** Creates a matcher for exactly this value of a label. */
export const matcherOf = (label: MatchedLabel, value: string): MatcherDraft => ({ label, operator: '=', value });

/** Initial matchers without an alert: a cluster whose name is to be typed. */
export const NO_MATCHERS: readonly MatcherDraft[] = [matcherOf('cluster', '')];

/** Matchers for an alert of any severity: by its name, cluster and policy. */
export const matchersOfAlert = ({ name, labels: { cluster, policy } }: Pick<AlertView, 'name' | 'labels'>): readonly MatcherDraft[] => [
  matcherOf('name', name),
  ...(cluster === undefined ? [] : [matcherOf('cluster', cluster)]),
  ...(policy === undefined ? [] : [matcherOf('policy', policy)]),
];

const HOUR_MS = 3_600_000;

/** Lengths of a silence, in hours. */
export const LENGTHS = { '1 hour': 1, '2 hours': 2, '4 hours': 4, '1 day': 24, '3 days': 72, '1 week': 168 } as const;
export type SilenceLength = keyof typeof LENGTHS;
export const isSilenceLength = (text: string): text is SilenceLength => Object.hasOwn(LENGTHS, text);

/** A silence while it is edited. */
export interface SilenceDraft {
  readonly matchers: readonly MatcherDraft[];
  /** Value of a datetime-local field; undefined for now. */
  readonly from: string | undefined;
  /** A length, or an end as the value of a field. */
  readonly until: SilenceLength | { readonly at: string };
  readonly reason: string;
}

type Checked = { readonly request: SilenceRequest } | { readonly problem: string };

const problemOf = ({ matchers, reason }: SilenceDraft): string | undefined => {
  if (matchers.length === 0) return 'Add a matcher: it says which alerts are silenced.';
  if (matchers.some(({ value }) => value.trim() === '')) return 'Fill in the value of each matcher, or remove the matcher.';
  return reason.trim() === '' ? 'Give a reason, for those who look for the alert.' : undefined;
};

const endOf = (until: SilenceDraft['until'], beginMs: number): string | undefined =>
  typeof until === 'string' ? new Date(beginMs + LENGTHS[until] * HOUR_MS).toISOString() : timeOf(until.at);

/**
 * Converts a draft to a request, or describes what is missing.
 *
 * @param now milliseconds since 1970
 */
export const checkSilence = (draft: SilenceDraft, now: number): Checked => {
  const { matchers, from, until, reason } = draft;
  const problem = problemOf(draft);
  if (problem !== undefined) return { problem };
  const begin = timeOf(from ?? '');
  if (from !== undefined && begin === undefined) return { problem: 'Choose when it begins.' };
  const beginMs = begin === undefined ? now : Date.parse(begin);
  const end = endOf(until, beginMs);
  if (end === undefined) return { problem: 'Choose when it ends.' };
  if (Date.parse(end) <= Math.max(now, beginMs)) return { problem: 'It must end after it begins, and in the future.' };
  return {
    request: {
      matchers: matchers.map((matcher) => formatMatcher({ ...matcher, value: matcher.value.trim() })),
      ...(begin === undefined ? {} : { from: begin }),
      until: end,
      reason: reason.trim(),
    },
  };
};
